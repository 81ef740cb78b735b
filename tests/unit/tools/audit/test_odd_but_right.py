"""What is rightly so, however odd it looks, is no difference; what only looks alike is one."""

from dataclasses import replace

from shared.contracts.identity import timer_id
from tests.unit.tools.audit.loop import (
    DAY,
    NINETY_DAYS,
    NOON,
    PRODUCT,
    SERVICE,
    about_timer,
    decided,
    found_by,
    loop_that_adds_up,
    sent_as,
    set_timer,
    told,
)
from tools.audit.checks import asking
from tools.audit.facts import Effect, Timer


def test_a_timer_that_was_put_off_waits_until_then() -> None:
    topics, database = loop_that_adds_up()
    (timer,) = database.timers
    until = NOON + 40 * DAY
    database.timers[0] = replace(timer, due_at=until)
    database.decisions.append(about_timer("deferred", 4, timer.timer_id, campaign="product", until=until))
    assert found_by(topics, database) == set()
    database.timers[0] = timer
    assert found_by(topics, database) == {"timers recomputed"}


def test_a_timer_moved_after_it_was_put_off_waits_for_its_milestone() -> None:
    topics, database = loop_that_adds_up()
    (timer,) = database.timers
    put_off = about_timer("deferred", 2, timer.timer_id, campaign="product", until=NOON + 40 * DAY)
    database.decisions.insert(2, put_off)
    assert found_by(topics, database) == set()


def test_a_campaign_that_was_changed_holds_from_the_next_event_of_an_order_on() -> None:
    topics, database = loop_that_adds_up()
    sooner = replace(PRODUCT, triggers=(("order.delivered", DAY),), version=2, changed_at=NOON + 4 * DAY)
    database.campaigns["product"] = sooner
    assert found_by(topics, database) == set()
    database.campaigns["product"] = replace(sooner, changed_at=NOON + 2 * DAY)
    assert found_by(topics, database) == {"timers recomputed"}
    # Switched off, its timers wait until they come due and are told so.
    database.campaigns["product"] = replace(PRODUCT, active=False, version=2, changed_at=NOON + 4 * DAY)
    assert found_by(topics, database) == set()


def test_a_send_is_held_to_the_quiet_period_of_its_own_version() -> None:
    _, database = loop_that_adds_up()
    database.sends["x"] = sent_as("x", "service", "c1", "o2", NOON + 60 * DAY, "t2")
    assert asking.quiet_periods(database, NINETY_DAYS).differences == 1
    database.campaigns["service"] = replace(SERVICE, version=2)
    check = asking.quiet_periods(database, NINETY_DAYS)
    assert (check.differences, check.left_out) == (0, 2)


def test_timers_called_off_by_an_erasure_are_missed_by_nobody() -> None:
    topics, database = loop_that_adds_up()
    (timer,) = database.timers
    database.timers.clear()
    called_off = about_timer("timer_cancelled", 4, timer.timer_id, campaign="product")
    database.decisions.append(replace(called_off, reason="erased"))
    assert found_by(topics, database) == set()


def test_an_order_that_changed_hands_after_it_was_asked_about_is_not_asked_about_again() -> None:
    topics, database = loop_that_adds_up()
    topics.orders[1] = replace(topics.orders[1], customer_id="c2")
    (timer,) = database.timers
    database.timers[0] = replace(timer, timer_id=timer_id("product", "c2", "o1"), customer_id="c2")
    assert found_by(topics, database) == set()


def test_only_the_last_word_excuses_a_missing_timer() -> None:
    topics, database = loop_that_adds_up()
    database.timers.clear()
    database.decisions[0] = replace(
        database.decisions[0], effects=(set_timer("service"), Effect("product", "none", "too_late"))
    )
    assert found_by(topics, database) == {"timers recomputed"}
    database.decisions[2] = replace(
        database.decisions[2], outcome="no_timer", effects=(Effect("product", "none", "too_late"),)
    )
    assert found_by(topics, database) == set()


def test_what_kafka_has_dropped_is_left_out_and_what_it_keeps_is_not() -> None:
    topics, database = loop_that_adds_up()
    later = told("order.delivered", NOON + 9 * DAY, order="o2", offset=2)
    topics.orders.append(later)
    due = NOON + 39 * DAY
    database.decisions.append(decided(later, 4, set_timer("product")))
    database.timers.append(Timer(timer_id("product", "c1", "o2"), "product", "c1", "o2", "milestone", 0, due, due))
    assert found_by(topics, database) == set()
    topics.orders.pop(0)
    topics.dropped = {"orders": NOON + DAY, "surveys.sends": NOON + 8 * DAY, "surveys.deliveries": NOON + 8 * DAY}
    topics.sends.clear()
    topics.outcomes.clear()
    assert found_by(topics, database) == set()
    database.timers[1] = replace(database.timers[1], milestone_at=NOON, due_at=NOON)
    assert found_by(topics, database) == {"timers recomputed"}
