"""Unusual but correct states are not reported; similar incorrect ones are."""

from dataclasses import replace

from shared.contracts.identity import timer_id
from tests.unit.tools.audit.loop import (
    DAY,
    NINETY_DAYS,
    NOON,
    PRODUCT,
    SERVICE,
    consistent_loop,
    decision_about,
    decision_about_timer,
    found_by,
    order_event,
    send,
    set_timer,
)
from tools.audit.checks import sends
from tools.audit.facts import Effect, Timer


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
    assert found_by(topics, database) == set()
    database.campaigns["product"] = replace(sooner, changed_at=NOON + 2 * DAY)
    assert found_by(topics, database) == {"timers recomputed"}
    # Deactivated, its timers stay until they are due and are then skipped.
    database.campaigns["product"] = replace(PRODUCT, active=False, version=2, changed_at=NOON + 4 * DAY)
    assert found_by(topics, database) == set()


def test_a_send_is_held_to_the_quiet_period_of_its_own_version() -> None:
    _, database = consistent_loop()
    database.sends["x"] = send("x", "service", "c1", "o2", NOON + 60 * DAY, "t2")
    assert sends.quiet_periods_kept(database, NINETY_DAYS).differences == 1
    database.campaigns["service"] = replace(SERVICE, version=2)
    check = sends.quiet_periods_kept(database, NINETY_DAYS)
    assert (check.differences, check.left_out) == (0, 2)


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
    database.timers[0] = replace(timer, timer_id=timer_id("product", "c2", "o1"), customer_id="c2")
    assert found_by(topics, database) == set()


def test_only_the_last_decision_excuses_a_missing_timer() -> None:
    topics, database = consistent_loop()
    database.timers.clear()
    database.decisions[0] = replace(
        database.decisions[0], effects=(set_timer("service"), Effect("product", "none", "too_late"))
    )
    assert found_by(topics, database) == {"timers recomputed"}
    database.decisions[2] = replace(
        database.decisions[2], outcome="no_timer", effects=(Effect("product", "none", "too_late"),)
    )
    assert found_by(topics, database) == set()


def test_only_what_kafka_has_deleted_is_left_out() -> None:
    topics, database = consistent_loop()
    later = order_event("order.delivered", NOON + 9 * DAY, order="o2", offset=2)
    topics.orders.append(later)
    due = NOON + 39 * DAY
    database.decisions.append(decision_about(later, 4, set_timer("product")))
    database.timers.append(Timer(timer_id("product", "c1", "o2"), "product", "c1", "o2", "milestone", 0, due, due))
    assert found_by(topics, database) == set()
    topics.orders.pop(0)
    topics.retained_since = {
        "orders": NOON + DAY,
        "surveys.sends": NOON + 8 * DAY,
        "surveys.deliveries": NOON + 8 * DAY,
    }
    topics.sends.clear()
    topics.outcomes.clear()
    assert found_by(topics, database) == set()
    database.timers[1] = replace(database.timers[1], due_at=NOON, check_at=NOON)
    assert found_by(topics, database) == {"timers recomputed"}
