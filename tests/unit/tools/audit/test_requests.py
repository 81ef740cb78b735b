"""Requested surveys: each has a timer at the requested time, and every kind of inconsistency is found."""

from dataclasses import replace

import pytest

from shared.contracts.identity import event_id
from shared.contracts.requests import REQUESTED
from tests.unit.tools.audit.loop import DAY, NOON, Damage, consistent_loop, decision_about_timer, found_after, found_by
from tools.audit.facts import DatabaseFacts, Decision, Effect, SurveyRequest, Timer, TopicFacts


def with_a_request() -> tuple[TopicFacts, DatabaseFacts]:
    topics, database = consistent_loop()
    wanted = SurveyRequest(("/desk", "r1"), ("surveys.requests", 0, 0), "r1", "service", "c1", "o1", NOON + 9 * DAY)
    timer = event_id("timer.requested", "r1")
    topics.requests.append(wanted)
    database.decisions.append(
        Decision(
            9, NOON, wanted.identity, "timer_set", "requested", "c1", "o1", campaign="service", event_type=REQUESTED,
            occurred_at=NOON, effects=(Effect("service", "set", "requested"),),
        )
    )  # fmt: skip
    database.timers.append(Timer(timer, "service", "c1", "o1", "request", 0, wanted.not_before, wanted.not_before))
    return topics, database


def test_a_requested_survey_waits_for_its_time() -> None:
    assert found_by(*with_a_request()) == set()


REQUEST_DAMAGES: dict[str, tuple[str, Damage]] = {
    "a request nobody decided about": (
        "order events accounted for", lambda _t, d: d.decisions.pop()),
    "a decision about no request": (
        "order events accounted for", lambda t, _d: t.requests.clear()),
    "a requested timer that was lost": (
        "requested surveys recomputed", lambda _t, d: d.timers.pop()),
    "a requested timer for another time": (
        "requested surveys recomputed",
        lambda _t, d: d.timers.append(replace(d.timers.pop(), due_at=NOON, check_at=NOON))),
    "a requested timer to be checked at another time": (
        "requested surveys recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), check_at=NOON))),
    "a requested timer of another customer": (
        "requested surveys recomputed", lambda _t, d: d.timers.append(replace(d.timers.pop(), customer_id="c2"))),
    "a timer nobody requested": (
        "requested surveys recomputed", lambda _t, d: d.timers.append(replace(d.timers[-1], timer_id="t9"))),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUEST_DAMAGES)
def test_every_damage_to_a_request_is_found(name: str) -> None:
    check, damage = REQUEST_DAMAGES[name]
    assert check in found_after(damage, *with_a_request())


def test_a_requested_survey_that_was_sent_has_no_timer() -> None:
    topics, database = with_a_request()
    timer = database.timers.pop()
    database.decisions.append(decision_about_timer("skipped", 10, timer.timer_id))
    assert "requested surveys recomputed" not in found_by(topics, database)
