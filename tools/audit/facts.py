"""What the audit compares, in the same form whichever ledger it was read from."""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from tools.audit.arithmetic import Counts
from tools.audit.histories import Histories, Misplaced
from tools.audit.records import Location, Offsets
from tools.audit.traces import Detail

Segment = tuple[str, str]
"""Dimension and value; every answer is also in EVERYBODY."""

EVERYBODY: Segment = ("", "everybody")

BEGINNING_OF_TIME = datetime.min.replace(tzinfo=UTC)
TIMESTAMP_TOLERANCE = timedelta(hours=1)
LATEST = datetime.max.replace(tzinfo=UTC) - TIMESTAMP_TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One readable event on ``orders``, and its location."""

    identity: tuple[str, str]
    type: str
    location: Location
    order_id: str
    customer_id: str
    occurred_at: datetime
    promised_at: datetime | None
    shipment: tuple[str, int | None] | None
    total: tuple[Decimal, str] | None = None
    details: tuple[tuple[str, str], ...] = ()
    """What it says about its customer: kind and comparable text (``traces.Detail``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyRequest:
    """One readable event on ``surveys.requests``: a request to survey a customer."""

    identity: tuple[str, str]
    location: Location
    request_id: str
    requested_by: str
    campaign: str
    customer_id: str
    order_id: str | None
    not_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A survey that was decided to be sent. Only the topic has its segments, address and name, and when it was
    published; only the send ledger its timer."""

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
    address: str | None = None
    name: str | None = None
    published: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A survey that came back, or was complained about: the event's type, and when that was, by the loop's clock and,
    ``published``, in real time."""

    type: str
    at: datetime
    published: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorSend:
    """A survey as stored by the collector to accept an answer; after an erasure, without personal data."""

    campaign: str
    campaign_version: int
    customer_id: str | None
    order_id: str | None
    sent_at: datetime
    expires_at: datetime
    segments: frozenset[Segment]
    erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """What a customer allows on a channel since ``changed_at``; ``address`` is the one it was said about, if known."""

    channel: str
    state: str
    changed_at: datetime
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Every channel's state of one customer, at ``revision``; a record was ``published`` at that real time."""

    revision: int
    channels: tuple[ChannelState, ...] = ()
    published: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRule:
    """The part of a campaign's definition that decides when it asks; ``version`` is current since ``changed_at``.

    It has either ``triggers``, milestones of an order with their delays, or ``every``, the interval at which it asks
    a customer who ordered within ``active_within``.
    """

    id: str
    triggers: tuple[tuple[str, timedelta], ...]
    stop_on: frozenset[str]
    quiet_period: timedelta | None
    """None when the campaign uses the default from the settings."""
    pair_with: str | None
    active: bool = True
    every: timedelta | None = None
    active_within: timedelta = timedelta(days=365)
    valid_for: timedelta = timedelta(days=14)
    version: int = 1
    changed_at: datetime = BEGINNING_OF_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class StillCounted:
    """What an erased answer counts as; ``surveyed`` when it answered one of our surveys."""

    group: str
    day: date
    surveyed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerState:
    """An answer at its latest revision. Once it is erased, ``score`` is None, and only the revision is left, and what
    it still counts as, if the erasure says it: ``still`` a group on a day, its campaign and its segments.

    ``digest`` is a hash of the whole body, including fields not listed here.
    """

    revision: int
    score: int | None
    answered_at: datetime | None = None
    received_at: datetime | None = None
    still: StillCounted | None = None
    campaign: str | None = None
    segments: frozenset[Segment] = frozenset()
    customer_id: str | None = None
    send_id: str | None = None
    comment: str | None = None
    digest: bytes = b""

    def counted_in(self) -> Iterator[Segment]:
        """Each segment the answer counts in, once."""
        yield EVERYBODY
        yield from self.segments


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerAnswer:
    """An answer as stored by the scorer; ``erased_group`` is what it counts as once it is erased."""

    revision: int
    score: int | None
    day: date | None
    campaign: str
    segments: frozenset[Segment]
    erased_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseState:
    """The current state of a case; ``answer_id``, ``score`` and ``revision`` are None once erased."""

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
        """Omits what the customer wrote and who owns the case."""
        return f"{self.status}, sequence {self.sequence}, score {self.score}, revision {self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRule:
    """Which answers a rule is for, their queue, and how soon somebody should be in touch; ``sla`` None: no deadline. Of
    each of the ``segments`` an answer must have the value."""

    queue: str
    scores: frozenset[int]
    campaign: str | None = None
    segments: frozenset[Segment] = frozenset()
    sla: timedelta | None = None

    def is_for(self, answer: AnswerState) -> bool:
        return (
            answer.score in self.scores
            and self.campaign in (None, answer.campaign)
            and self.segments <= answer.segments
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRules:
    """The alerter's current rules, in order. What was routed before ``since`` followed other rules."""

    rules: tuple[RoutingRule, ...] = ()
    since: datetime = BEGINNING_OF_TIME

    def rule_of(self, answer: AnswerState) -> RoutingRule | None:
        """The first that is for the answer."""
        return next((rule for rule in self.rules if rule.is_for(answer)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An event's effect on one campaign's timer: ``change`` is set, moved, cancelled or none."""

    campaign: str
    change: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A row of the dispatcher's decision log. ``event`` is the event it is about; None when it is about a timer.

    ``position`` increases along the log. Everything about one customer is decided under one lock, so for one customer
    it is the order of their decisions. ``until`` is when a deferred timer is checked again.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A survey still to be decided: due at ``due_at``; ``check_at`` is later once the timer was deferred."""

    timer_id: str
    campaign: str
    customer_id: str
    order_id: str | None
    cause: str
    occurrence: int
    due_at: datetime
    check_at: datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """Answers by group, on the day they were given; surveys delivered, and how many of them were answered, on the day
    they were sent."""

    counts: Counts = field(default_factory=Counts)
    _: KW_ONLY
    delivered: int = 0
    answered: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.counts + other.counts,
            delivered=self.delivered + other.delivered,
            answered=self.answered + other.answered,
        )

    def __sub__(self, other: "Totals") -> "Totals":
        """These minus ``other``, which must be part of them."""
        return Totals(
            self.counts - other.counts,
            delivered=self.delivered - other.delivered,
            answered=self.answered - other.answered,
        )


TotalsByDay = Mapping[tuple[Segment, str, date], Totals]
"""Totals by segment, campaign ("" for none) and day in the shop's time zone."""

ScoreKey = tuple[str, str, str]
"""Campaign, window and segment, as ``nps.scores`` names them."""


@dataclass(slots=True, kw_only=True)
class TopicFacts:
    """What was read from the topics."""

    orders: list[OrderEvent] = field(default_factory=list)
    requests: list[SurveyRequest] = field(default_factory=list)
    unreadable: set[Location] = field(default_factory=set)
    sends: dict[str, Send] = field(default_factory=dict)
    outcomes: dict[str, set[str]] = field(default_factory=dict)
    answers: dict[str, AnswerState] = field(default_factory=dict)
    scores: dict[ScoreKey, dict[str, Any]] = field(default_factory=dict)
    cases: dict[str, dict[str, CaseState]] = field(default_factory=dict)
    refused: dict[str, list[Refusal]] = field(default_factory=dict)
    preferences: dict[str, list[Preferences]] = field(default_factory=dict)
    """Every revision of a customer's preferences that is still there."""
    erased_customers: dict[str, datetime] = field(default_factory=dict)
    erasure_published: dict[str, datetime] = field(default_factory=dict)
    """Erased customer to when that was published, in real time."""
    dead_letters: set[tuple[str, Location]] = field(default_factory=set)
    histories: Histories = field(default_factory=dict)
    """What the records of each key on the compacted topics say, one after the other."""
    misplaced: list[Misplaced] = field(default_factory=list)
    ends: Offsets = field(default_factory=dict)
    """Where each partition ends."""
    retained_since: dict[str, datetime] = field(default_factory=dict)
    """Topics whose oldest records Kafka has deleted, with the time since which they are complete."""
    erased_comments: dict[str, set[Detail]] = field(default_factory=dict)
    """Erased customer to what they wrote before, where Kafka has not compacted it yet."""
    traces: dict[tuple[str, int, str], set[Detail]] = field(default_factory=dict)
    """What the last record of a key says about erased customers, by topic, partition and key; on compacted topics."""

    def complete(self, *topics: str) -> bool:
        """Whether everything ever published to these topics is still there."""
        return self.retained_since.keys().isdisjoint(topics)

    def retains(self, topic: str, published_at: datetime) -> bool:
        """Whether a record of that time must still be there; records are only roughly in time order."""
        return (
            topic not in self.retained_since
            or published_at > min(self.retained_since[topic], LATEST) + TIMESTAMP_TOLERANCE
        )


@dataclass(slots=True)
class DatabaseFacts:
    """What was read from the four schemas."""

    OPEN_DELIVERIES: ClassVar[frozenset[str]] = frozenset({"queued", "transmitting"})

    decisions: list[Decision] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    recurrences: dict[tuple[str, str], tuple[int, datetime]] = field(default_factory=dict)
    """Campaign and customer to the occurrence that fired last, and when; the next one is planned from it."""
    sends: dict[str, Send] = field(default_factory=dict)
    deliveries: dict[str, str] = field(default_factory=dict)
    """Send id to the ``ce_type`` of its outcome, or to one of OPEN_DELIVERIES."""
    campaigns: dict[str, CampaignRule] = field(default_factory=dict)
    not_reached: set[str] = field(default_factory=set)
    """The sends of which the courier knows that they did not arrive."""
    shared_ids: set[str] = field(default_factory=set)
    """Customer ids that several people share."""
    erased_customers: dict[str, datetime] = field(default_factory=dict)
    collector_sends: dict[str, CollectorSend] = field(default_factory=dict)
    answers: dict[str, AnswerState] = field(default_factory=dict)
    scorer_answers: dict[str, ScorerAnswer] = field(default_factory=dict)
    day_counts: dict[tuple[Segment, str, date], Totals] = field(default_factory=dict)
    preferences: dict[str, Preferences] = field(default_factory=dict)
    """What customers allow, as the collector has it: it is the one who is told."""
    known_preferences: dict[str, Preferences] = field(default_factory=dict)
    """The same, as the dispatcher knows it."""
    score_sequences: dict[str, int] = field(default_factory=dict)
    """The key of a score to the sequence of its last publication."""
    positions: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """Consumer, topic and partition to the offset it handles next."""
    comments: dict[str, tuple[int, str]] = field(default_factory=dict)
    """The scorer's key of an answer to the score and comment the dashboard shows."""
    cases: dict[str, CaseState] = field(default_factory=dict)
    reopened_cases: set[str] = field(default_factory=set)
    """Those that were closed and reopened: each time gave them a new deadline."""
    routing: RoutingRules = field(default_factory=RoutingRules)
    dead_letters: set[tuple[str, Location]] = field(default_factory=set)
    traces: dict[str, set[Detail]] = field(default_factory=dict)
    """Table to what it says about erased customers."""
    described_customers: set[str] = field(default_factory=set)
    """Erased customers of whom the dispatcher has details."""
    details_of_others: set[tuple[str, str]] = field(default_factory=set)
    """Kind and text of what was searched for and belongs to a customer who was not erased, too."""

    def decided_about(self) -> set[str]:
        """The orders that decisions are about, and the customers of those that are about no order."""
        return {decision.order_id or decision.customer_id for decision in self.decisions}
