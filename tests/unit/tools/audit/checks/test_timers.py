"""Timers, requested ones too: unusual but correct states are not reported, similar incorrect ones are."""

from dataclasses import replace

import pytest

from shared.contracts.identity import event_id, timer_id
from shared.contracts.requests import REQUESTED
from tests.unit.tools.audit.checks.loop import (
    DAY,
    NOON,
    PRODUCT,
    Damage,
    consistent_loop,
    decision_about,
    decision_about_timer,
    found_after,
    found_by,
    history,
    order_event,
    set_timer,
)
from tools.audit.facts import DatabaseFacts, Decision, Effect, SurveyRequest, Timer, TopicFacts


def test_a_deferred_timer_is_checked_when_its_deferral_ends() -> None:
    topics, database = consistent_loop()
    (timer,) = database.timers
    until = NOON + 40 * DAY
    database.timers[0] = replace(timer, check_at=until)
    database.decisions.append(decision_about_timer("deferred", 4, timer.timer_id, campaign="product", until=until))
    assert found_by(topics, database) == set()
    database.timers[0] = timer
    assert found_by(topics, database) == {"timers recomputed"}


def test_a_timer_moved_after_a_deferral_is_checked_at_its_milestone() -> None:
    topics, database = consistent_loop()
    (timer,) = database.timers
    deferral = decision_about_timer("deferred", 2, timer.timer_id, campaign="product", until=NOON + 40 * DAY)
    database.decisions.insert(2, deferral)
    assert found_by(topics, database) == set()


def test_a_changed_campaign_applies_from_the_next_event_of_an_order() -> None:
    topics, database = consistent_loop()
    sooner = replace(PRODUCT, triggers=(("order.delivered", DAY),), version=2, changed_at=NOON + 4 * DAY)
    database.campaigns["product"] = sooner
    topics.histories["surveys.campaigns", 0]["product"] = history(1, 2)
    assert found_by(topics, database) == set()
    database.campaigns["product"] = replace(sooner, changed_at=NOON + 2 * DAY)
    assert found_by(topics, database) == {"timers recomputed"}
    # Deactivated, its timers stay until they are due and are then skipped.
    database.campaigns["product"] = replace(PRODUCT, active=False, version=2, changed_at=NOON + 4 * DAY)
    assert found_by(topics, database) == set()


def test_timers_cancelled_by_an_erasure_are_not_reported() -> None:
    topics, database = consistent_loop()
    (timer,) = database.timers
    database.timers.clear()
    cancelled = decision_about_timer("timer_cancelled", 4, timer.timer_id, campaign="product")
    database.decisions.append(replace(cancelled, reason="erased"))
    assert found_by(topics, database) == set()


def test_an_order_that_changed_hands_after_it_was_asked_about_is_not_asked_about_again() -> None:
    topics, database = consistent_loop()
    topics.orders[1] = replace(topics.orders[1], customer_id="c2")
    (timer,) = database.timers
    database.timers[0] = replace(
        timer, timer_id=timer_id(campaign="product", customer_id="c2", order_id="o1"), customer_id="c2"
    )
    assert found_by(topics, database) == set()


def test_only_the_last_decision_excuses_a_missing_timer() -> None:
    topics, database = consistent_loop()
    database.timers.clear()
    database.decisions[0] = replace(
        database.decisions[0],
        effects=(set_timer("service"), Effect(campaign="product", change="none", reason="too_late")),
    )
    assert found_by(topics, database) == {"timers recomputed"}
    database.decisions[2] = replace(
        database.decisions[2],
        outcome="no_timer",
        effects=(Effect(campaign="product", change="none", reason="too_late"),),
    )
    assert found_by(topics, database) == set()


def test_an_order_in_two_shipments_is_delivered_with_the_second() -> None:
    topics, database = consistent_loop()
    first = replace(topics.orders[1], shipment=("s1", 2))
    second = order_event("order.delivered", NOON + 5 * DAY, offset=2, shipment=("s2", 2))
    second = replace(second, identity=("/shop", "second"))
    topics.orders[1:] = [first, second]
    database.decisions.append(replace(decision_about(second, 4), event=second.identity))
    assert found_by(topics, database) == {"timers recomputed"}
    due = NOON + 35 * DAY
    database.timers[0] = replace(database.timers[0], due_at=due, check_at=due)
    assert found_by(topics, database) == set()


def with_a_request() -> tuple[TopicFacts, DatabaseFacts]:
    topics, database = consistent_loop()
    wanted = SurveyRequest(
        identity=("/desk", "r1"),
        location=("surveys.requests", 0, 0),
        request_id="r1",
        requested_by="desk",
        campaign="service",
        customer_id="c1",
        order_id="o1",
        not_before=NOON + 9 * DAY,
    )
    timer = event_id("timer.requested", "desk", "r1")
    topics.requests.append(wanted)
    database.decisions.append(
        Decision(
            position=9,
            decided_at=NOON,
            event=wanted.identity,
            outcome="timer_set",
            reason="requested",
            customer_id="c1",
            order_id="o1",
            campaign="service",
            event_type=REQUESTED,
            occurred_at=NOON,
            effects=(Effect(campaign="service", change="set", reason="requested"),),
        )
    )
    database.timers.append(
        Timer(
            timer_id=timer,
            campaign="service",
            customer_id="c1",
            order_id="o1",
            cause="request",
            occurrence=0,
            due_at=wanted.not_before,
            check_at=wanted.not_before,
        )
    )
    return topics, database


def test_a_requested_survey_waits_for_its_time() -> None:
    assert found_by(*with_a_request()) == set()


def test_a_request_that_used_an_id_again_is_a_dead_letter_and_sets_no_timer() -> None:
    topics, database = with_a_request()
    again = replace(topics.requests[0], location=("surveys.requests", 0, 1), request_id="r2")
    topics.requests.append(again)
    for letters in (topics.dead_letters, database.dead_letters):
        letters.add(("dispatcher", again.location))
    assert found_by(topics, database) == set()


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
