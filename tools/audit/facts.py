"""What the audit compares, in one shape whichever ledger it was read from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from shared.nps import Counts

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""

Segment = tuple[str, str]
"""Dimension and value; EVERYBODY is the one that every answer is in."""

EVERYBODY: Segment = ("", "everybody")

ALWAYS = datetime.min.replace(tzinfo=UTC)
DISORDER = timedelta(hours=1)
LAST_HOUR = datetime.max.replace(tzinfo=UTC) - DISORDER


@dataclass(frozen=True, slots=True)
class OrderTold:
    """One readable event of ``orders``: what the dispatcher was told, and where it stands."""

    identity: tuple[str, str]
    type: str
    place: Place
    order_id: str
    customer_id: str
    occurred_at: datetime
    promised_at: datetime | None
    shipment: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class RequestTold:
    """One readable event of ``surveys.requests``: somebody asks that a customer be surveyed."""

    identity: tuple[str, str]
    place: Place
    request_id: str
    campaign: str
    customer_id: str
    order_id: str | None
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """A survey that was decided to be sent. Its segments are told on the topic only, its timer in the ledger only."""

    send_id: str
    campaign: str
    campaign_version: int
    channel: str
    customer_id: str | None
    order_id: str | None
    due_at: datetime
    sent_at: datetime
    expires_at: datetime
    timer_id: str | None = None
    segments: frozenset[Segment] = frozenset()


@dataclass(frozen=True, slots=True)
class Awaited:
    """A survey as the collector holds it for whoever answers; after an erasure without what tells of the person."""

    campaign: str
    campaign_version: int
    customer_id: str | None
    order_id: str | None
    sent_at: datetime
    expires_at: datetime
    segments: frozenset[Segment]
    erased: bool


@dataclass(frozen=True, slots=True)
class CampaignRule:
    """What of a campaign's definition decides when it asks, in force in this ``version`` since ``changed_at``.

    It has either ``triggers``, milestones of an order with their delays, or ``every``, a length between two askings
    of a customer who ordered within ``active_within``.
    """

    id: str
    triggers: tuple[tuple[str, timedelta], ...]
    stop_on: frozenset[str]
    quiet_period: timedelta | None
    """None where the campaign leaves it to the setting."""
    pair_with: str | None
    active: bool = True
    every: timedelta | None = None
    active_within: timedelta = timedelta(days=365)
    valid_for: timedelta = timedelta(days=14)
    version: int = 1
    changed_at: datetime = ALWAYS


@dataclass(frozen=True, slots=True)
class AnswerState:
    """An answer at its newest revision. ``score`` is None once erased, and then nothing but the revision is left.

    ``words`` is a digest of all it says, also of what has no field here.
    """

    revision: int
    score: int | None
    answered_at: datetime | None = None
    campaign: str | None = None
    segments: frozenset[Segment] = frozenset()
    customer_id: str | None = None
    send_id: str | None = None
    comment: str | None = None
    words: bytes = b""

    def counted_in(self) -> Iterator[Segment]:
        """Every segment it counts in, each once."""
        yield EVERYBODY
        yield from self.segments


@dataclass(frozen=True, slots=True)
class ScorerRow:
    """An answer as the scorer holds it; ``surveyed`` when it was given to a survey of ours."""

    revision: int
    score: int | None
    day: date | None
    campaign: str
    segments: frozenset[Segment]
    surveyed: bool | None


@dataclass(frozen=True, slots=True)
class CaseState:
    """A case as it stands; ``answer_id``, ``score`` and ``revision`` are None once erased."""

    case_id: str
    queue: str | None
    status: str
    sequence: int
    answer_id: str | None
    score: int | None
    revision: int | None
    closed_reason: str | None
    comment: str | None = None
    opened_at: datetime | None = None
    changed_at: datetime | None = None
    due_at: datetime | None = None
    owner: str | None = None
    suggested_action: str | None = None
    root_cause: str | None = None

    def __repr__(self) -> str:
        """Without what the customer wrote and who looks after it."""
        return f"{self.status}, sequence {self.sequence}, score {self.score}, revision {self.revision}"


@dataclass(frozen=True, slots=True)
class Effect:
    """What an event did to one campaign's timer: ``change`` is set, moved, cancelled or none."""

    campaign: str
    change: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of the dispatcher's decision log. ``event`` is the event it answers; None for one about a timer.

    ``position`` grows along the log. What concerns one customer is decided under one lock, so there it is the order in
    which things were decided. ``until`` is when a deferred timer is looked at again.
    """

    position: int
    decided_at: datetime
    event: tuple[str, str] | None
    outcome: str
    reason: str
    customer_id: str
    order_id: str | None = None
    timer_id: str | None = None
    campaign: str | None = None
    event_type: str | None = None
    occurred_at: datetime | None = None
    until: datetime | None = None
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Timer:
    """A survey still to be decided: ``due_at`` is later than ``milestone_at`` once it was deferred."""

    timer_id: str
    campaign: str
    customer_id: str
    order_id: str | None
    cause: str
    occurrence: int
    milestone_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """Answers by group; how many of them were given to a survey of ours; and surveys delivered."""

    counts: Counts = field(default_factory=Counts)
    surveyed: int = 0
    delivered: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(self.counts + other.counts, self.surveyed + other.surveyed, self.delivered + other.delivered)

    def __sub__(self, other: "Figures") -> "Figures":
        """What is left when ``other``, a part of these, is taken away."""
        return Figures(self.counts - other.counts, self.surveyed - other.surveyed, self.delivered - other.delivered)


FiguresByDay = Mapping[tuple[Segment, str, date], Figures]
"""What one segment of one campaign ("" for none) got on one day of the shop's."""

ScoreKey = tuple[str, str, str]
"""Campaign, window and segment, as ``nps.scores`` names them."""


@dataclass(slots=True)
class TopicFacts:
    """What the topics say."""

    orders: list[OrderTold] = field(default_factory=list)
    requests: list[RequestTold] = field(default_factory=list)
    unreadable: set[Place] = field(default_factory=set)
    sends: dict[str, Sent] = field(default_factory=dict)
    outcomes: dict[str, set[str]] = field(default_factory=dict)
    answers: dict[str, AnswerState] = field(default_factory=dict)
    scores: dict[ScoreKey, dict[str, Any]] = field(default_factory=dict)
    cases: dict[str, dict[str, CaseState]] = field(default_factory=dict)
    erased_customers: dict[str, datetime] = field(default_factory=dict)
    dead_letters: set[tuple[str, Place]] = field(default_factory=set)
    dropped: dict[str, datetime] = field(default_factory=dict)
    """Topics that Kafka has dropped the first records of, with the time from which on everything is still there."""
    personal: dict[str, set[str]] = field(default_factory=dict)
    """Customer to the addresses and phone numbers ever told, to see that an erased one's are gone."""

    def complete(self, *topics: str) -> bool:
        """Whether everything ever published to these topics was read."""
        return self.dropped.keys().isdisjoint(topics)

    def keeps(self, topic: str, published_at: datetime) -> bool:
        """Whether a record of that time must still be there; records lie nearly, but not exactly, in time order."""
        return topic not in self.dropped or published_at > min(self.dropped[topic], LAST_HOUR) + DISORDER


@dataclass(slots=True)
class DatabaseFacts:
    """What the four schemas hold."""

    OPEN_DELIVERIES: ClassVar[frozenset[str]] = frozenset({"queued", "transmitting"})

    decisions: list[Decision] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    recurrences: dict[tuple[str, str], tuple[int, datetime]] = field(default_factory=dict)
    """Campaign and customer to which asking came due last, and when, as the next one is planned by."""
    sends: dict[str, Sent] = field(default_factory=dict)
    deliveries: dict[str, str] = field(default_factory=dict)
    """Send to the ``ce_type`` of its outcome, or to one of OPEN_DELIVERIES."""
    campaigns: dict[str, CampaignRule] = field(default_factory=dict)
    erased_customers: dict[str, datetime] = field(default_factory=dict)
    awaited: dict[str, Awaited] = field(default_factory=dict)
    answers: dict[str, AnswerState] = field(default_factory=dict)
    scorer_rows: dict[str, ScorerRow] = field(default_factory=dict)
    day_counts: dict[tuple[Segment, str, date], Figures] = field(default_factory=dict)
    comments: dict[str, tuple[int, str]] = field(default_factory=dict)
    """The scorer's key of an answer to its score and words, as the dashboard shows them."""
    cases: dict[str, CaseState] = field(default_factory=dict)
    dead_letters: set[tuple[str, Place]] = field(default_factory=set)
    traces: dict[str, list[str]] = field(default_factory=dict)
    """Erased customer to the tables in which one of their addresses was found."""
