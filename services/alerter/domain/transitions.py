"""The actions staff may take on a case, and when. Each transition returns its step or raises Refused.

    open ──assign──▶ assigned ──contact──▶ contacted ──close──▶ closed ──reopen──▶ open or assigned

A case in any state but closed may also be closed, contacted or reassigned directly; notes may always be added.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal, get_args

from services.alerter.domain.case import EVENT_OF_STATUS, Case, Entry, Step
from shared.contracts import followups
from shared.contracts.followups import CaseStatus
from shared.contracts.types import MAX_COMMENT

ContactWay = Literal["email", "phone", "chat", "post", "other"]
CloseReason = Literal["resolved", "no_reply", "no_action_needed", "not_reachable", "duplicate"]

CONTACT_WAYS: tuple[ContactWay, ...] = get_args(ContactWay)
CLOSE_REASONS: tuple[CloseReason, ...] = get_args(CloseReason)


class Refused(ValueError):
    """The case's current state does not allow the action; the message says why and what to do."""


class Incomplete(Refused):
    """What was given with the action is missing something, or is too long; the message says what to change."""


class Stale(Refused):
    """Somebody has changed the case since the client read it."""


def expect(case: Case, sequence: int) -> None:
    """Raises Stale unless the case is still at the ``sequence`` the client saw."""
    if case.sequence != sequence:
        raise Stale(
            f"The case has changed: it is at sequence {case.sequence}, you saw {sequence}. Read it again, then retry."
        )


def assign(case: Case, *, owner: str, actor: str, now: datetime) -> Step:
    """Assigns the case to ``owner``; a contacted case stays contacted."""
    _must_wait(case, "assigned")
    if case.owner == owner:
        raise Refused(f"The case is already {owner}'s.")
    status: CaseStatus = "assigned" if case.status == "open" else case.status
    changed = replace(_next(case, now), status=status, owner=owner)
    return Step(changed, followups.ASSIGNED, _entry(changed, "assigned", actor=actor, owner=owner))


def contact(case: Case, *, way: ContactWay, text: str, actor: str, now: datetime) -> Step:
    """Records that ``actor`` contacted the customer, and what was said; an unassigned case becomes theirs."""
    _must_wait(case, "contacted")
    _must_fit(text)
    if not text.strip():
        raise Incomplete("The contact is empty; say in a few words what was said, or that nobody could be reached.")
    changed = replace(_next(case, now), status="contacted", owner=case.owner or actor)
    return Step(changed, followups.CONTACTED, _entry(changed, "contacted", actor=actor, way=way, text=text))


def note(case: Case, *, text: str, actor: str, now: datetime) -> Step:
    """Adds a note; changes nothing else."""
    _must_not_be_erased(case)
    _must_fit(text)
    if not text.strip():
        raise Incomplete("The note is empty; write something in it.")
    changed = _next(case, now)
    return Step(changed, EVENT_OF_STATUS[case.status], _entry(changed, "note", actor=actor, text=text))


def close(case: Case, *, reason: CloseReason, root_cause: str | None, text: str, actor: str, now: datetime) -> Step:
    """Closes the case; an unassigned one becomes ``actor``'s. ``root_cause`` is from the routing rules' list.

    Either it or ``text`` says what went wrong: otherwise nobody could learn anything from the case.
    """
    _must_wait(case, "closed")
    _must_fit(text)
    if root_cause is None and not text.strip():
        raise Incomplete("Choose a root cause, or say in a few words what went wrong or what was done.")
    changed = replace(
        _next(case, now), status="closed", closed_reason=reason, root_cause=root_cause, owner=case.owner or actor
    )
    entry = _entry(changed, "closed", actor=actor, reason=reason, root_cause=root_cause or "", text=text)
    return Step(changed, followups.CLOSED, entry)


def reopen(case: Case, *, due_at: datetime | None, text: str, actor: str, now: datetime) -> Step:
    """Reopens a closed case, with a new deadline: ``due_at`` of its rule, None without one."""
    _must_not_be_erased(case)
    if case.waiting:
        raise Refused("The case is not closed, so it cannot be reopened.")
    _must_fit(text)
    changed = reopened(case, due_at=due_at, now=now)
    return Step(changed, followups.REOPENED, _entry(changed, "reopened", actor=actor, text=text))


def reopened(case: Case, *, due_at: datetime | None, now: datetime) -> Case:
    """The case waiting again, with its owner, if any, and a new deadline."""
    return replace(
        _next(case, now),
        status="open" if case.owner is None else "assigned",
        due_at=due_at,
        first_due_at=due_at,
        closed_reason=None,
        root_cause=None,
    )


def _must_fit(text: str) -> None:
    """Line breaks count as one character each, however they were sent; the caller writes them as LF."""
    if len(text) > MAX_COMMENT:
        over = len(text) - MAX_COMMENT
        raise Incomplete(f"The text has {len(text):,} characters; {MAX_COMMENT:,} is the most. Shorten it by {over:,}.")


def _must_not_be_erased(case: Case) -> None:
    if case.erased:
        raise Refused("The customer's data was erased; this case can no longer be changed.")


def _must_wait(case: Case, participle: str) -> None:
    _must_not_be_erased(case)
    if not case.waiting:
        raise Refused(f"The case is closed ({case.closed_reason}); reopen it before it can be {participle}.")


def _next(case: Case, now: datetime) -> Case:
    return replace(case, sequence=case.sequence + 1, changed_at=now)


def _entry(case: Case, kind: str, *, actor: str, **details: str) -> Entry:
    given: Mapping[str, str | int] = {name: value for name, value in details.items() if value}
    return Entry(sequence=case.sequence, at=case.changed_at, kind=kind, actor=actor, details=given)
