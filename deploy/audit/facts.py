"""What the audit compares, in one shape whichever ledger it was read from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from shared.nps import Counts

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""

Segment = tuple[str, str]
"""Dimension and value; EVERYBODY is the one that every answer is in."""

EVERYBODY: Segment = ("", "everybody")


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
class Sent:
    """A survey that was decided to be sent."""

    send_id: str
    campaign: str
    customer_id: str | None
    order_id: str | None
    sent_at: datetime
    timer_id: str | None = None


@dataclass(frozen=True, slots=True)
class CampaignRule:
    """What of a campaign's definition decides when it asks; ``triggers`` are milestones with their delays."""

    id: str
    triggers: tuple[tuple[str, timedelta], ...]
    stop_on: frozenset[str]
    quiet_period: timedelta | None
    """None where the campaign leaves it to the setting."""
    pair_with: str | None
    active: bool = True


@dataclass(frozen=True, slots=True)
class AnswerState:
    """An answer at its newest revision. ``score`` is None once erased, and then nothing but the revision is left."""

    revision: int
    score: int | None
    answered_at: datetime | None = None
    campaign: str | None = None
    segments: frozenset[Segment] = frozenset()
    customer_id: str | None = None
    send_id: str | None = None
    comment: str | None = None

    def counted_in(self) -> Iterator[Segment]:
        """Every segment it counts in, each once."""
        yield EVERYBODY
        yield from self.segments


@dataclass(frozen=True, slots=True)
class ScorerRow:
    """An answer as the scorer holds it."""

    revision: int
    score: int | None
    day: date | None
    campaign: str
    segments: frozenset[Segment]


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


@dataclass(frozen=True, slots=True)
class Decision:
    """A row of the dispatcher's decision log. ``event`` is the order event it answers; None for one about a timer.

    ``effects`` are campaign and reason, for each campaign the event was looked at for.
    """

    event: tuple[str, str] | None
    outcome: str
    reason: str
    order_id: str | None = None
    timer_id: str | None = None
    effects: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Timer:
    """A survey still to be decided: ``due_at`` is later than ``milestone_at`` once it was deferred."""

    timer_id: str
    campaign: str
    cause: str
    milestone_at: datetime
    due_at: datetime


CountsByDay = Mapping[tuple[Segment, str, date], Counts]
"""What one segment of one campaign ("" for none) got on one day of the shop's."""

ScoreKey = tuple[str, str, str]
"""Campaign, window and segment, as ``nps.scores`` names them."""


@dataclass(slots=True)
class TopicFacts:
    """What the topics say. ``complete`` names those whose first records Kafka still keeps."""

    orders: list[OrderTold] = field(default_factory=list)
    unreadable_orders: set[Place] = field(default_factory=set)
    sends: dict[str, Sent] = field(default_factory=dict)
    outcomes: dict[str, set[str]] = field(default_factory=dict)
    answers: dict[str, AnswerState] = field(default_factory=dict)
    scores: dict[ScoreKey, dict[str, Any]] = field(default_factory=dict)
    cases: dict[str, dict[str, CaseState]] = field(default_factory=dict)
    erased_customers: dict[str, datetime] = field(default_factory=dict)
    dead_letters: set[tuple[str, Place]] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)
    personal: dict[str, set[str]] = field(default_factory=dict)
    """Customer to the addresses and phone numbers ever told, to see that an erased one's are gone."""


@dataclass(slots=True)
class DatabaseFacts:
    """What the four schemas hold."""

    OPEN_DELIVERIES: ClassVar[frozenset[str]] = frozenset({"queued", "transmitting"})

    decisions: list[Decision] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    sends: dict[str, Sent] = field(default_factory=dict)
    deliveries: dict[str, str] = field(default_factory=dict)
    """Send to the ``ce_type`` of its outcome, or to one of OPEN_DELIVERIES."""
    campaigns: dict[str, CampaignRule] = field(default_factory=dict)
    answers: dict[str, AnswerState] = field(default_factory=dict)
    scorer_rows: dict[str, ScorerRow] = field(default_factory=dict)
    day_counts: dict[tuple[Segment, str, date], Counts] = field(default_factory=dict)
    cases: dict[str, CaseState] = field(default_factory=dict)
    dead_letters: set[tuple[str, Place]] = field(default_factory=set)
    traces: dict[str, list[str]] = field(default_factory=dict)
    """Erased customer to the tables in which one of their addresses was found."""
