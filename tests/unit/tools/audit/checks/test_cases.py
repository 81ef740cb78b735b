"""Cases are in the right queue and served as they are."""

from dataclasses import replace
from datetime import timedelta

from tests.unit.tools.audit.checks.loop import DAY, NOON, ROUTING, consistent_loop
from tools.audit.checks import cases
from tools.audit.facts import CaseState, DatabaseFacts, RoutingRule, RoutingRules, TopicFacts
from tools.audit.report import Check
from tools.audit.routing import routing_rules


def rescored(score: int, **other: object) -> tuple[TopicFacts, DatabaseFacts]:
    """A consistent loop whose only answer has this score, and whose case has other values."""
    topics, database = consistent_loop()
    (case,) = database.cases.values()
    (answer_id,) = topics.answers
    topics.answers[answer_id] = replace(topics.answers[answer_id], score=score)
    changed: CaseState = replace(case, score=score, **other)  # type: ignore[arg-type]
    database.cases[case.case_id] = changed
    return topics, database


def test_a_case_staff_had_started_may_stay_in_its_queue() -> None:
    assert not cases.in_right_queue(*rescored(9, status="contacted")).differences
    assert cases.in_right_queue(*rescored(9, status="open")).differences


def test_a_queue_that_the_shop_added_is_right_for_what_its_rules_say() -> None:
    """Rules changed by ``PUT /v1/routing``: the answers of Brazil have a queue of their own."""
    topics, database = rescored(3, queue="brazil")
    (answer_id,) = topics.answers
    answer = replace(topics.answers[answer_id], revision=1, segments=frozenset({("country", "BR"), ("tier", "gold")}))
    topics.answers[answer_id] = answer
    brazil = RoutingRule(queue="brazil", scores=frozenset(range(7)), segments=frozenset({("country", "BR")}))
    assert cases.in_right_queue(topics, database).differences == 1
    database.routing = RoutingRules(rules=(brazil, *ROUTING.rules))
    assert not cases.in_right_queue(topics, database).differences
    topics.answers[answer_id] = replace(answer, segments=frozenset({("country", "NO")}))
    assert cases.in_right_queue(topics, database).differences == 1


def due(hours: float | None, *, revision: int = 1, opened: float = 2, **other: object) -> Check:
    """The deadlines, for an answer that was received at noon, and a case due so many hours after that."""
    due_at = None if hours is None else NOON + timedelta(hours=hours)
    topics, database = rescored(3, due_at=due_at, opened_at=NOON + timedelta(hours=opened), revision=revision, **other)
    (answer_id,) = topics.answers
    topics.answers[answer_id] = replace(topics.answers[answer_id], revision=revision, received_at=NOON)
    return cases.due_by_the_rules(topics, database)


def test_a_deadline_counts_from_the_only_revision_there_has_been() -> None:
    """Whoever has the case, and whatever became of it: nothing has put the deadline off."""
    for status in ("open", "assigned", "contacted", "closed"):
        assert not due(24, status=status).differences
        for wrong in (23, 25, None):
            assert due(wrong, status=status).differences == 1


def test_a_stamp_ahead_of_the_alerters_clock_puts_no_deadline_off() -> None:
    assert not due(14, opened=-10).differences
    assert due(24, opened=-10).differences == 1


def test_an_amendment_never_puts_the_deadline_off() -> None:
    """Earlier revisions are not kept: the deadline may be theirs, if that is earlier."""
    assert not due(24, revision=2, status="open").differences
    assert not due(3, revision=2, status="open").differences
    assert due(25, revision=2, status="open").differences == 1
    assert due(None, revision=2, status="open").differences == 1
    # Somebody who was content at first: their case was opened ten hours before they were unhappy.
    assert not due(24, revision=2, status="open", opened=-10).differences
    check = due(25, revision=2, status="assigned")
    assert (check.differences, check.compared, check.left_out) == (0, 0, 1)


def test_a_queue_without_a_deadline_has_none() -> None:
    topics, database = rescored(9, queue="others", due_at=None)
    assert not cases.due_by_the_rules(topics, database).differences
    topics, database = rescored(9, queue="others")
    assert cases.due_by_the_rules(topics, database).differences == 1


def test_deadlines_of_earlier_rules_and_of_reopened_cases_are_left_out_and_said() -> None:
    topics, database = rescored(3, due_at=NOON + 9 * DAY)
    database.reopened_cases = set(database.cases)
    check = cases.due_by_the_rules(topics, database)
    assert (check.differences, check.left_out) == (0, 1)
    database.reopened_cases = set()
    assert cases.due_by_the_rules(topics, database).differences == 1
    database.routing = replace(ROUTING, since=NOON + DAY)
    check = cases.due_by_the_rules(topics, database)
    assert (check.differences, check.left_out) == (0, 1)


def test_what_earlier_rules_routed_is_left_out_and_said() -> None:
    topics, database = rescored(3, queue="former")
    database.routing = replace(ROUTING, since=NOON + DAY)
    check = cases.in_right_queue(topics, database)
    assert (check.differences, check.left_out) == (0, 1)


def test_rules_are_read_as_they_are_written() -> None:
    assert routing_rules(
        {
            "rules": [
                {"queue": "a", "scores": {"from": 0, "to": 2}, "campaign": "c", "segments": {"country": "BR"}},
                {"queue": "b", "group": "passive", "sla_hours": 1.5},
            ]
        }
    ) == (
        RoutingRule(queue="a", scores=frozenset({0, 1, 2}), campaign="c", segments=frozenset({("country", "BR")})),
        RoutingRule(queue="b", scores=frozenset({7, 8}), sla=timedelta(minutes=90)),
    )


def test_a_closed_case_past_its_retention_is_not_missed() -> None:
    topics, database = consistent_loop()
    database.cases.clear()
    assert cases.one_per_answer(topics, database, kept_since=NOON - 400 * DAY).differences == 1
    check = cases.one_per_answer(topics, database, kept_since=NOON + 400 * DAY)
    assert (check.differences, check.left_out) == (0, 1)


def test_a_case_served_differently_or_not_at_all_is_found() -> None:
    _, database = consistent_loop()
    (case,) = database.cases.values()
    for given in ({}, {case.case_id: replace(case, owner="x")}, {case.case_id: case, "x": case}):
        assert cases.served(database, given).differences == 1


def test_a_case_that_its_topic_has_forgotten_is_left_out() -> None:
    """Topics of queues keep a case for 90 days after its last change."""
    topics, database = consistent_loop()
    topics.cases.clear()
    topics.retained_since["followups.detractors"] = NOON + DAY
    check = published(topics, database)
    assert (check.differences, check.left_out) == (0, 1)
    topics.retained_since["followups.detractors"] = NOON - DAY
    assert published(topics, database).differences == 1


def test_a_closed_case_that_the_alerter_has_forgotten_is_left_out() -> None:
    topics, database = consistent_loop()
    (case_id,) = database.cases
    topics.cases["detractors"][case_id] = replace(
        topics.cases["detractors"][case_id], status="closed", changed_at=NOON - 1_100 * DAY - DAY
    )
    database.cases.clear()
    assert published(topics, database).differences == 0
    topics.cases["detractors"][case_id] = replace(topics.cases["detractors"][case_id], changed_at=NOON)
    assert published(topics, database).differences == 1


def published(topics: TopicFacts, database: DatabaseFacts) -> Check:
    return cases.published(topics, database, kept_since=NOON - 1_100 * DAY)
