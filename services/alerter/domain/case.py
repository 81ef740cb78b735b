"""A case: one answer, the queue it waits in, and its progress."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.alerter.domain.customers import Customer
from services.alerter.domain.orders import Order
from shared.contracts import followups
from shared.contracts.answers import Answer
from shared.contracts.followups import CaseStatus
from shared.moments import stamp_of
from shared.nps import Group, group_of

EVENT_OF_STATUS: Mapping[CaseStatus, str] = {
    "open": followups.OPENED,
    "assigned": followups.ASSIGNED,
    "contacted": followups.CONTACTED,
    "escalated": followups.ESCALATED,
    "closed": followups.CLOSED,
}
"""The event type a case is published under when something other than its status changed."""

MAX_NAME = 100
"""Characters of an owner, a root cause or a queue."""

LAST_WAITING = 10**16
"""The largest position of a waiting case: microseconds since 1970, in the year 2286, after every deadline."""
FIRST_IN_TOUCH = LAST_WAITING - 10**13
"""The smallest position of a case whose customer was contacted, if it still waits: after all that nobody contacted."""


class NoSuchCase(LookupError):
    """No case has this id, or its answer was erased before the case was opened."""

    def __init__(self) -> None:
        super().__init__("there is no case with this id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case at ``sequence``; times are in UTC.

    ``answer`` is the latest revision received of the answer; None once erased. ``revision`` is that revision's number.
    ``rule`` names the routing rule that put it into ``queue``; both are None only in a tombstone, for an answer that
    was erased before it was ever received and must not come back.

    ``due_at`` is until when somebody should contact the customer. ``first_due_at`` is the earliest deadline since the
    case was opened, reopened or the customer was contacted; it is remembered in a queue without deadlines, too, so
    that a score that goes to and fro never puts a deadline off.
    """

    case_id: str
    revision: int
    answer: Answer | None
    queue: str | None
    rule: str | None
    status: CaseStatus
    sequence: int
    opened_at: datetime
    changed_at: datetime
    due_at: datetime | None = None
    first_due_at: datetime | None = None
    owner: str | None = None
    suggested_action: str | None = None
    closed_reason: str | None = None
    root_cause: str | None = None
    erased: bool = False

    @property
    def group(self) -> Group | None:
        return None if self.answer is None else group_of(self.answer.score)

    @property
    def waiting(self) -> bool:
        """Whether staff still have to handle it."""
        return self.status != "closed"

    @property
    def untouched(self) -> bool:
        """Whether no staff member has taken or closed it."""
        return self.status == "open" and self.owner is None

    @property
    def awaits_contact(self) -> bool:
        """Whether its deadline still matters: somebody has to contact the customer."""
        return self.waiting and self.status != "contacted"

    def time_left(self, now: datetime) -> timedelta | None:
        """The time until the deadline, negative once it has passed; None without one, once the customer was contacted
        or the case is closed."""
        if self.due_at is None or not self.awaits_contact:
            return None
        return self.due_at - now

    @property
    def position(self) -> int:
        """Its sort key in a list, ascending.

        Waiting cases up to LAST_WAITING: the earliest deadline first, then those without one, the newest first, then,
        from FIRST_IN_TOUCH, those whose customer was contacted, the longest untouched first. Beyond it the closed ones,
        the last closed first. One number rather than several sort columns, so that a page of any list is one range of
        an index.
        """
        if not self.waiting:
            return position_when_closed(self.changed_at)
        if not self.awaits_contact:
            return FIRST_IN_TOUCH + stamp_of(self.changed_at) // 1_000
        if self.due_at is None:
            return LAST_WAITING - stamp_of(self.opened_at)
        return stamp_of(self.due_at)


def position_when_closed(at: datetime) -> int:
    """The position of a case that was last changed ``at`` that time and is closed."""
    return 2 * LAST_WAITING - stamp_of(at)


def existing(case: Case | None) -> Case:
    """The case, for staff to read or change. Raises NoSuchCase for None and for a tombstone."""
    if case is None or case.queue is None:
        raise NoSuchCase
    return case


@dataclass(frozen=True, slots=True)
class CaseContext:
    """What else is known about a case; None if nothing is (yet).

    ``customer_key`` is the customer's key in our tables; None when the answer is anonymous or erased.
    """

    customer_key: UUID | None = None
    customer: Customer | None = None
    order: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a case's history: what happened at ``sequence``; ``actor`` is None for Hearback's own actions."""

    sequence: int
    at: datetime
    kind: str
    actor: str | None = None
    details: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One change: the resulting case, the type of the event it is published under, and its entry in the history.

    ``event_type`` is None for a case that was never published. A change may take several steps; the case of the last
    one is stored.
    """

    case: Case
    event_type: str | None
    entry: Entry | None = None
