"""``followups.<queue>``: the whole case, each time it changes."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.orders import Money
from shared.contracts.sends import Channel
from shared.contracts.types import Comment, Contract, Identifier, Instant, Label, Score, Segments, ShortText
from shared.nps import Group

TOPIC_PREFIX = "followups."
MAX_PRODUCTS = 20
"""Of an order, in a case."""

OPENED = "case.opened"
ASSIGNED = "case.assigned"
CONTACTED = "case.contacted"
ESCALATED = "case.escalated"
REOPENED = "case.reopened"
CLOSED = "case.closed"

CaseStatus = Literal["open", "assigned", "contacted", "escalated", "closed"]


class CaseAnswer(Contract):
    answer_id: Identifier
    revision: int
    score: Score
    group: Group
    answered_at: Instant
    channel: Channel
    campaign: Identifier | None = None
    comment: Comment | None = None
    segments: Segments = {}


class CaseCustomer(Contract):
    """What a support agent needs to reach the customer; absent for an anonymous answer."""

    customer_id: Identifier
    name: ShortText | None = None
    email: ShortText | None = None
    phone: ShortText | None = None
    locale: Label | None = None


class CaseOrder(Contract):
    order_id: Identifier
    status: Label | None = None
    placed_at: Instant | None = None
    promised_at: Instant | None = None
    delivered_at: Instant | None = None
    total: Money | None = None
    products: Annotated[list[ShortText], Field(max_length=MAX_PRODUCTS)] = []


class Case(Contract):
    """``sequence`` increases with every event of the case. ``due_at`` is until when somebody should contact the
    customer, null without a deadline; it is met once ``status`` is ``contacted``.

    An erased case keeps only its id, queue, status and times.
    """

    case_id: Identifier
    queue: Label
    status: CaseStatus
    sequence: Annotated[int, Field(ge=1)]
    opened_at: Instant
    changed_at: Instant
    due_at: Instant | None = None
    owner: ShortText | None = None
    suggested_action: ShortText | None = None
    closed_reason: ShortText | None = None
    root_cause: ShortText | None = None
    answer: CaseAnswer | None = None
    customer: CaseCustomer | None = None
    order: CaseOrder | None = None


def topic_of(queue: str) -> str:
    """The name of a queue's topic. Queues come from the routing rules."""
    return TOPIC_PREFIX + queue


def event(kind: str, case: Case) -> Event:
    """The event of ``kind`` (such as ``case.assigned``) for a case, with the whole case after it."""
    return Event(
        topic=topic_of(case.queue),
        key=case.case_id,
        event_id=identity.event_id(kind, case.queue, case.case_id, case.sequence),
        type=kind,
        time=case.changed_at,
        body=case,
    )
