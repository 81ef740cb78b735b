"""How an answer changes its case: opens it, updates it, moves it to another queue, reopens it, or erases it.

Revisions may be duplicated, late and out of order. The highest received wins, and an erasure is final.
"""

from dataclasses import replace
from datetime import datetime

from services.alerter.domain.case import EVENT_OF_STATUS, Case, Entry, Step
from services.alerter.domain.routing import Routing, Rule
from services.alerter.domain.transitions import reopened
from shared.contracts import followups, identity
from shared.contracts.answers import Answer, AnswerErased, supersedes
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
    staff member has taken the case; its owner sees it through. A case is reopened when a detractor adds something
    after it was closed.
    """
    if case is None:
        return [_opened(answer, routing, now)]
    if case.erased or case.answer is None or answer.revision <= case.revision:
        return []
    unhappy = group_of(answer.score) == "detractor"
    if answer.score == case.answer.score:
        rule = None
    else:
        rule = routing.rule_for(answer)
        if rule.queue != case.queue and (unhappy or case.untouched):
            return _moved(case, answer, rule, now)
    if unhappy and not case.waiting:
        return [_reopened(case, answer, rule or routing.rule_for(answer), now)]
    return [_amended(case, answer, rule, now)]


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
        due_at=rule.due_at(now),
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
        due_at=rule.due_at(now),
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
        reopened(case, due_at=rule.due_at(now), now=now),
        revision=answer.revision,
        answer=answer,
        rule=rule.name,
        suggested_action=rule.suggested_action,
    )
    return Step(again, followups.REOPENED, _amendment(case, again, "reopened", now))


def _amended(case: Case, answer: Answer, rule: Rule | None, now: datetime) -> Step:
    """The same case with the customer's latest answer; a new deadline only if another rule of its queue now matches."""
    amended = replace(case, revision=answer.revision, answer=answer, sequence=case.sequence + 1, changed_at=now)
    if rule is not None and rule.name != case.rule and rule.queue == case.queue and case.waiting:
        amended = replace(amended, rule=rule.name, due_at=rule.due_at(now), suggested_action=rule.suggested_action)
    return Step(amended, EVENT_OF_STATUS[case.status], _amendment(case, amended, "amended", now))


def _amendment(before: Case, after: Case, kind: str, now: datetime) -> Entry:
    assert before.answer is not None and after.answer is not None
    details = {"score_before": before.answer.score, "score": after.answer.score}
    return Entry(sequence=after.sequence, at=now, kind=kind, details=details)
