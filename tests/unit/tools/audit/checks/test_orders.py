"""Each order event ended as one decision or one dead letter, and each dead letter is published."""

from dataclasses import replace

from tests.unit.tools.audit.checks.loop import (
    DAY,
    NOON,
    consistent_loop,
    found_by,
)
from tools.audit.checks.orders import events_accounted_for


def test_an_unreadable_record_must_be_dead_lettered_by_every_consumer_of_the_topic() -> None:
    topics, database = consistent_loop()
    topics.unreadable.add(("nps.scores", 0, 9))
    assert found_by(topics, database) == {"unreadable records dead-lettered"}
    location = ("surveys.answers", 0, 9)
    topics.unreadable = {location}
    for consumer, missing in (("scorer", {"unreadable records dead-lettered"}), ("alerter", set())):
        database.dead_letters.add((consumer, location))
        topics.dead_letters.add((consumer, location))
        assert found_by(topics, database) == missing


def test_duplicates_of_an_event_are_one_event() -> None:
    topics, database = consistent_loop()
    topics.orders.append(replace(topics.orders[0], location=("orders", 0, 7)))
    topics.orders.append(replace(topics.orders[1], location=("orders", 0, 8), occurred_at=NOON + 9 * DAY))
    assert found_by(topics, database) == set()


def test_of_customers_erased_long_ago_nothing_is_expected_and_of_others_everything() -> None:
    topics, database = consistent_loop()
    event = topics.orders[0]
    of_order = {each.identity for each in topics.orders if each.order_id == event.order_id}
    latest = max(each.occurred_at for each in topics.orders)
    one_left = [decision for decision in database.decisions if decision.event != event.identity]
    none_left = [decision for decision in database.decisions if decision.order_id != event.order_id]
    for decisions, before, differences, left_out in (
        (none_left, latest + DAY, 0, len(of_order)),
        (none_left, event.occurred_at - DAY, len(of_order), 0),
        (one_left, latest + DAY, 1, 0),
    ):
        database.decisions = decisions
        check = events_accounted_for(topics, database, forgotten_before=before)
        assert (check.differences, check.left_out) == (differences, left_out)
