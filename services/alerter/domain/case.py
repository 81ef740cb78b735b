"""A case: one answer, the queue it waits in, and how far staff have come with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.contracts import followups
from shared.contracts.answers import Answer
from shared.contracts.followups import CaseStatus
from shared.nps import Group, group_of

MOVED = "moved"
ERASED = "erased"

EVENT_OF_STATUS: Mapping[CaseStatus, str] = {
    "open": followups.OPENED,
    "assigned": followups.ASSIGNED,
    "contacted": followups.CONTACTED,
    "escalated": followups.ESCALATED,
    "closed": followups.CLOSED,
}
"""The event type under which a case is published again when something other than its status changed."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WITHOUT_DEADLINE = 10**16
"""Microseconds since 1970, in the year 2286: after every deadline that can be."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands at ``sequence``; times in UTC.

    ``answer`` is the answer's newest revision heard; None once erased. ``revision`` is that revision's number.
    ``rule`` names the routing rule that put it into ``queue``; both are None only for an answer that was erased
    before it was ever heard, which is remembered so that it cannot come back.
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
        """Whether somebody may still have to do something."""
        return self.status != "closed"

    @property
    def untouched(self) -> bool:
        """Whether no member of staff has taken it up or closed it."""
        return self.status == "open" and self.owner is None

    def time_left(self, now: datetime) -> timedelta | None:
        """Until the deadline, negative once it has passed; None without a deadline or once closed."""
        if self.due_at is None or not self.waiting:
            return None
        return self.due_at - now

    @property
    def position(self) -> int:
        """Where it stands in a list, the smallest first.

        Those that wait: the next deadline first, and where there is none the newest first. The closed: the one closed
        last first. One number rather than several sort columns, so that a page of a list is one range of an index.
        """
        if self.waiting and self.due_at is not None:
            return _microseconds(self.due_at)
        return _WITHOUT_DEADLINE - _microseconds(self.opened_at if self.waiting else self.changed_at)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a case's history: what happened at ``sequence``; ``actor`` is None for what Hearback did itself."""

    sequence: int
    at: datetime
    kind: str
    actor: str | None = None
    details: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One change: the case after it, the event that tells of it, and its line in the history.

    ``event_type`` is None for what was never published and so needs no telling. A change may take several steps;
    the last one's case is what is kept.
    """

    case: Case
    event_type: str | None
    entry: Entry | None = None


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
