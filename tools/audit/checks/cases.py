"""Promise 3: each confirmed detractor answer has one case in the right queue, and there are no other cases."""

from collections.abc import Mapping
from datetime import datetime

from shared.contracts.followups import topic_of
from shared.contracts.identity import case_id as case_id_of
from tools.audit.facts import CaseState, DatabaseFacts, TopicFacts
from tools.audit.report import Check


def one_per_answer(topics: TopicFacts, database: DatabaseFacts, *, kept_since: datetime) -> Check:
    """Each answer has exactly one case, with its current revision, score and comment.

    Of an answer from before ``kept_since`` the closed case may have passed its retention.
    """
    check = Check("one case per answer", 3)
    expected = {case_id_of(answer_id): state for answer_id, state in topics.answers.items()}
    for case_id in expected.keys() | database.cases.keys():
        check.compared += 1
        state, case = expected.get(case_id), database.cases.get(case_id)
        if state is None:
            check.add_difference(f"case {case_id} belongs to no answer")
        elif case is None:
            # Erased before the alerter received it: there is no case to open.
            if state.answered_at is not None and state.answered_at < kept_since:
                check.left_out += 1
            elif state.score is not None:
                check.add_difference(f"the answer of case {case_id}, score {state.score}, has no case")
        elif (case.score, case.revision) != (
            state.score,
            state.revision if state.score is not None else None,
        ):
            check.add_difference(
                f"case {case_id} is about score {case.score}, revision {case.revision}; "
                f"the answer's is {state.score}, revision {state.revision}"
            )
        elif case.comment != state.comment:
            check.add_difference(
                f"case {case_id} shows a different comment than revision {state.revision} of its answer"
            )
    return check


def in_right_queue(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """Each case is in the queue of the first routing rule that its answer matches.

    Otherwise it must be one that staff had taken before its customer was no longer a detractor. An amendment is routed
    only if it changes the score: one that changes segments may leave the case in any queue for its score. Cases that
    earlier rules may have routed are left out.
    """
    check = Check("every detractor in the right queue", 3)
    rules = database.routing
    for case in database.cases.values():
        answer = topics.answers.get(case.answer_id or "")
        if case.score is None or answer is None or answer.score != case.score:
            continue
        if case.opened_at is not None and case.opened_at < rules.since:
            check.left_out += 1
            continue
        check.compared += 1
        rule = rules.rule_of(answer)
        queue = None if rule is None else rule.queue
        staff_had_started = case.score > 6 and case.status != "open"
        queues = {rule.queue for rule in rules.rules if case.score in rule.scores} if answer.revision > 1 else {queue}
        if case.queue not in queues and not staff_had_started:
            check.add_difference(
                f"case {case.case_id}, score {case.score}, {case.status}, is in {case.queue}, not {queue}"
            )
    return check


def due_by_the_rules(topics: TopicFacts, database: DatabaseFacts) -> Check:
    """Each case is due when the first routing rule that its answer matches says, counted from when the answer was
    received, or from when the case was opened for it if that is earlier; or it has no deadline, if the rule has none.

    Of an amended answer only the last revision is kept, and an earlier one may have set an earlier deadline; once staff
    have begun, an amendment need not change it: then nothing can be said. Left out are also cases that were reopened,
    which gave them another deadline, and those that earlier rules may have routed.
    """
    check = Check("deadlines follow the routing rules", 3)
    rules = database.routing
    for case in database.cases.values():
        answer = topics.answers.get(case.answer_id or "")
        if answer is None or case.score is None or answer.score != case.score or case.revision != answer.revision:
            continue
        rule = rules.rule_of(answer)
        may_differ = case.case_id in database.reopened_cases or (answer.revision > 1 and case.status != "open")
        if rule is None or case.opened_at is None or answer.received_at is None:
            continue
        if may_differ or case.opened_at < rules.since:
            check.left_out += 1
            continue
        check.compared += 1
        # An amendment may have come long after the case was opened for a customer who was not unhappy yet.
        said_at = min(answer.received_at, case.opened_at) if answer.revision == 1 else answer.received_at
        due_at = None if rule.sla is None else said_at + rule.sla
        is_due_before = case.due_at is not None and due_at is not None and case.due_at < due_at
        if case.due_at != due_at and not (answer.revision > 1 and is_due_before):
            check.add_difference(
                f"case {case.case_id}, score {case.score}, {case.status}, is due {case.due_at or 'never'}, "
                f"and by the rules {due_at or 'never'}"
            )
    return check


def published(topics: TopicFacts, database: DatabaseFacts, *, kept_since: datetime) -> Check:
    """The last record of each case on its queue's topic is its current state; in a queue it left, it is closed.

    The topics forget a case that nothing has happened to for long, and the alerter one that was closed before
    ``kept_since``.
    """
    check = Check("published cases", 3)
    for case in database.cases.values():
        if case.queue is None:
            continue
        found = topics.cases.get(case.queue, {}).get(case.case_id)
        if found is None and case.changed_at is not None and not topics.retains(topic_of(case.queue), case.changed_at):
            check.left_out += 1
            continue
        check.expect_equal(f"case {case.case_id} on {topic_of(case.queue)}", expected=case, found=found)
    for queue, cases in topics.cases.items():
        for case_id, last in cases.items():
            check.compared += 1
            current = database.cases.get(case_id)
            if current is None and last.changed_at is not None and last.changed_at < kept_since:
                check.left_out += 1
            elif current is None:
                check.add_difference(f"case {case_id} is on {topic_of(queue)}, but unknown to the alerter")
            elif current.queue != queue and last.status != "closed":
                check.add_difference(
                    f"case {case_id} moved to {current.queue}, but is still {last.status} on {topic_of(queue)}"
                )
            elif current.queue != queue and last.answer_id is not None:
                check.add_difference(
                    f"case {case_id} moved to {current.queue}, but {topic_of(queue)} still has its answer"
                )
    return check


def served(database: DatabaseFacts, given: Mapping[str, CaseState]) -> Check:
    """GET /v1/cases matches the alerter's own table."""
    check = Check("cases served over HTTP", 3)
    expected = {case_id: case for case_id, case in database.cases.items() if case.queue is not None}
    for case_id in expected.keys() | given.keys():
        check.expect_equal(f"case {case_id}", expected=expected.get(case_id), found=given.get(case_id))
    return check
