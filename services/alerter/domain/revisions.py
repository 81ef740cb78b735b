"""How an answer changes its case: opens it, updates it, moves it to another queue, reopens it, or erases it.

Revisions may be duplicated, late and out of order. The highest received wins, and an erasure is final.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from services.alerter.domain.case import EVENT_OF_STATUS, Case, Entry, Step
from services.alerter.domain.routing import Routing, Rule
from services.alerter.domain.transitions import reopened
from shared.contracts import followups, identity
from shared.contracts.answers import Answer, AnswerErased, supersedes
from shared.moments import earliest
from shared.nps import group_of

_MOVED, _ERASED = "moved", "erased"
"""Why a case was closed, if not by staff (``transitions.CloseReason``)."""


def newest(first: Answer | AnswerErased, second: Answer | AnswerErased) -> Answer | AnswerErased:
    """Which of two revisions of one answer a case follows: the one that supersedes the other, but an erasure always.

    The collector gives an erasure the highest revision, so that the two agree; should it ever not, nothing personal
    comes back to staff.
    """
    if isinstance(first, AnswerErased) or isinstance(second, AnswerErased):
        return first if isinstance(first, AnswerErased) else second
    return second if supersedes(second, earlier=first) else first


def apply(case: Case | None, answer: Answer, routing: Routing, now: datetime) -> list[Step]:
    """The steps that an answer's revision adds to its case; none when nothing changed.

    Only a changed score is routed again; a comment never changes the queue. A customer who becomes a detractor always
    moves to a detractors' queue, whatever the state of the case. One who is no longer a detractor leaves it only if no
    staff member has taken the case; its owner sees it through. When a detractor says something after the case was
    closed it is reopened, and after they were contacted it waits for contact again; what else a backend adds to the
    answer, such as an order id, does neither.

    A deadline counts from when the deciding revision was acknowledged, and never moves later until somebody contacts
    the customer. Even a revision that was overtaken by a later one may bring it forward, so that the case is the same
    in whatever order and batches the revisions arrive.
    """
    if case is None:
        return [_opened(answer, routing, now)]
    if case.erased or case.answer is None:
        return []
    if answer.revision <= case.revision:
        return _overtaken(case, answer, routing, now)
    unhappy = group_of(answer.score) == "detractor"
    if answer.score == case.answer.score:
        rule = None
    else:
        rule = routing.rule_for(answer)
        if rule.queue != case.queue and (unhappy or case.untouched):
            return _moved(case, answer, rule, now)
    if unhappy and not case.awaits_contact and _says_more(answer, than=case.answer):
        again = rule or routing.rule_for(answer)
        return [_anew(case, answer, again, now) if case.waiting else _reopened(case, answer, again, now)]
    return [_amended(case, answer, rule, now)]


def apply_all(case: Case | None, given: Iterable[Answer], routing: Routing, now: datetime) -> list[Step]:
    """The steps of several revisions of one answer, in the given order."""
    steps: list[Step] = []
    for answer in given:
        steps += apply(steps[-1].case if steps else case, answer, routing, now)
    return steps


def erase(case: Case | None, case_id: str, revision: int, now: datetime) -> list[Step]:
    """The step that erases all personal data; a tombstone is stored even if the answer was never received."""
    if case is None:
        tombstone = Case(
            case_id=case_id,
            revision=revision,
            answer=None,
            queue=None,
            rule=None,
            status="closed",
            sequence=1,
            opened_at=now,
            changed_at=now,
            closed_reason=_ERASED,
            erased=True,
        )
        return [Step(tombstone, None)]
    if case.erased:
        return []
    empty = Case(
        case_id=case_id,
        revision=max(revision, case.revision),
        answer=None,
        queue=case.queue,
        rule=case.rule,
        status="closed",
        sequence=case.sequence + 1,
        opened_at=case.opened_at,
        changed_at=now,
        due_at=case.due_at,
        closed_reason=_ERASED,
        erased=True,
    )
    return [Step(empty, followups.CLOSED, Entry(sequence=empty.sequence, at=now, kind="erased"))]


def completed(case: Case, now: datetime) -> list[Step]:
    """Republishes the case, now that its customer or order is known; never an erased one."""
    if case.erased:
        return []
    again = replace(case, sequence=case.sequence + 1, changed_at=now)
    return [Step(again, EVENT_OF_STATUS[case.status])]


def _opened(answer: Answer, routing: Routing, now: datetime) -> Step:
    rule = routing.rule_for(answer)
    due_at = rule.due_at(_said_at(answer, now))
    case = Case(
        case_id=identity.case_id(answer.answer_id),
        revision=answer.revision,
        answer=answer,
        queue=rule.queue,
        rule=rule.name,
        status="open",
        sequence=1,
        opened_at=now,
        changed_at=now,
        due_at=due_at,
        first_due_at=due_at,
        suggested_action=rule.suggested_action,
    )
    return Step(case, followups.OPENED, Entry(sequence=1, at=now, kind="opened", details={"score": answer.score}))


def _moved(case: Case, answer: Answer, rule: Rule, now: datetime) -> list[Step]:
    """Closes the case in its old queue and opens it in the new one.

    The record on the old queue has no personal data: it replaces the earlier ones there, so that a later erasure
    concerns only one topic.
    """
    assert case.answer is not None and case.queue is not None
    left = replace(
        case,
        answer=None,
        status="closed",
        closed_reason=_MOVED,
        owner=None,
        suggested_action=None,
        sequence=case.sequence + 1,
        changed_at=now,
    )
    arrived = replace(
        case,
        revision=answer.revision,
        answer=answer,
        queue=rule.queue,
        rule=rule.name,
        status="open",
        sequence=case.sequence + 2,
        opened_at=now,
        changed_at=now,
        **_deadline(case, answer, rule, now),
        owner=None,
        suggested_action=rule.suggested_action,
        closed_reason=None,
        root_cause=None,
    )
    details: dict[str, str | int] = {
        "queue_before": case.queue,
        "score_before": case.answer.score,
        "score": answer.score,
    }
    entry = Entry(sequence=arrived.sequence, at=now, kind="moved", details=details)
    return [Step(left, followups.CLOSED), Step(arrived, followups.OPENED, entry)]


def _reopened(case: Case, answer: Answer, rule: Rule, now: datetime) -> Step:
    again = replace(
        reopened(case, due_at=rule.due_at(_said_at(answer, now)), now=now),
        revision=answer.revision,
        answer=answer,
        rule=rule.name,
        suggested_action=rule.suggested_action,
    )
    return Step(again, followups.REOPENED, _amendment(case, again, "reopened", now))


def _anew(case: Case, answer: Answer, rule: Rule, now: datetime) -> Step:
    """The case of a customer who was contacted and has said more: its owner should be in touch again."""
    again = replace(
        case,
        revision=answer.revision,
        answer=answer,
        status="assigned",
        sequence=case.sequence + 1,
        changed_at=now,
        **_deadline(case, answer, rule, now),
    )
    return Step(again, followups.ASSIGNED, _amendment(case, again, "amended", now))


def _amended(case: Case, answer: Answer, rule: Rule | None, now: datetime) -> Step:
    """The same case with the customer's latest answer, its deadline by ``rule``, which is None for the same score."""
    amended = replace(case, revision=answer.revision, answer=answer, sequence=case.sequence + 1, changed_at=now)
    if rule is not None and rule.queue == case.queue and case.awaits_contact:
        amended = replace(
            amended, rule=rule.name, suggested_action=rule.suggested_action, **_deadline(case, answer, rule, now)
        )
    return Step(amended, EVENT_OF_STATUS[case.status], _amendment(case, amended, "amended", now))


def _overtaken(case: Case, answer: Answer, routing: Routing, now: datetime) -> list[Step]:
    """The step of a revision older than the case's: it may bring the deadline forward, if staff have not begun."""
    if answer.revision == case.revision or not case.untouched:
        return []
    deadline = _deadline(case, answer, routing.rule_for(answer), now)
    if deadline["first_due_at"] == case.first_due_at:
        return []
    if case.due_at is None:
        return [Step(replace(case, first_due_at=deadline["first_due_at"]), None)]
    forward = replace(case, sequence=case.sequence + 1, changed_at=now, **deadline)
    return [Step(forward, EVENT_OF_STATUS[case.status])]


class _Deadline(TypedDict):
    due_at: datetime | None
    first_due_at: datetime | None


def _deadline(case: Case, answer: Answer, rule: Rule, now: datetime) -> _Deadline:
    """The deadline under ``rule``: the earliest there has been, unless the customer was contacted in between."""
    given = rule.due_at(_said_at(answer, now))
    first = earliest(case.first_due_at if case.awaits_contact else None, given)
    return {"due_at": None if given is None else first, "first_due_at": first}


def _said_at(answer: Answer, now: datetime) -> datetime:
    """When this revision was acknowledged; a stamp ahead of our clock does not put a deadline off."""
    return min(answer.received_at, now)


def _says_more(answer: Answer, *, than: Answer) -> bool:
    """Whether the customer has said something since: the score is in another group, or there is a new comment."""
    if group_of(answer.score) != group_of(than.score):
        return True
    comment, before = (" ".join((one.comment or "").split()) for one in (answer, than))
    return comment not in ("", before)


def _amendment(before: Case, after: Case, kind: str, now: datetime) -> Entry:
    assert before.answer is not None and after.answer is not None
    details = {"score_before": before.answer.score, "score": after.answer.score}
    return Entry(sequence=after.sequence, at=now, kind=kind, details=details)
