"""Attempts to break the promises on the real database: replicas, duplicates, reordering, erasure, a crash."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from shared.contracts.cloudevents import Message
from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, Open, order_event, preference

QUIET = timedelta(days=90)


def pair_about_one_order(one: tuple[str, str | None], other: tuple[str, str | None]) -> bool:
    return one[1] is not None and one[1] == other[1] and {one[0], other[0]} == {"service-nps", "product-nps"}


async def assert_asked_once(dispatcher: Dispatcher) -> int:
    """No two surveys of a customer within the quiet period, except a pair about one order. Returns the number of sends."""
    rows = await dispatcher.rows(
        "SELECT customer_id, campaign, order_id, sent_at FROM sends ORDER BY customer_id, sent_at"
    )
    for index, one in enumerate(rows):
        for other in rows[index + 1 :]:
            if other["customer_id"] != one["customer_id"] or other["sent_at"] - one["sent_at"] >= QUIET:
                break
            assert pair_about_one_order((one["campaign"], one["order_id"]), (other["campaign"], other["order_id"]))
    assert len({(row["campaign"], row["customer_id"], row["order_id"], row["sent_at"]) for row in rows}) == len(rows)
    published = [survey["send_id"] for survey in await dispatcher.published()]
    assert len(published) == len(set(published)) == len(rows)
    return len(rows)


async def test_replicas_that_race_for_the_same_customers_ask_each_once(open_dispatcher: Open) -> None:
    """Every customer has several surveys due at once; loops and handlers of three replicas work at the same time."""
    replicas = [await open_dispatcher(timer_batch_size=7) for _ in range(3)]
    customers, orders_each = 40, 4
    chance = random.Random(7)
    events = [
        order_event("placed", f"o-{customer}-{number}", f"c-{customer}", at=START - number * HOUR)
        for customer in range(customers)
        for number in range(orders_each)
    ]
    chance.shuffle(events)
    await replicas[0].handle(*events)
    later = [
        order_event(kind, f"o-{customer}-0", f"c-{customer}", at=START + HOUR, event_id=f"{kind}-{customer}")
        for customer in range(customers)
        for kind in ("paid", "shipped", "delivered")
    ]
    chance.shuffle(later)
    for replica in replicas:
        replica.clock.moment = START + 2 * HOUR

    async def handle(replica: Dispatcher, share: list[Message]) -> None:
        for start in range(0, len(share), 10):
            await replica.handle(*share[start : start + 10])

    # Each event reaches two replicas, as when the same order is published under two keys.
    await asyncio.gather(
        *(replica.decide() for replica in replicas),
        handle(replicas[0], later[:80]),
        handle(replicas[1], later[40:]),
        handle(replicas[2], later[80:] + later[:40]),
    )
    await replicas[0].decide()
    assert await assert_asked_once(replicas[0]) == customers
    decisions = await replicas[0].rows("SELECT source, event_id, count(*) AS n FROM decisions GROUP BY 1, 2")
    about_events = [row["n"] for row in decisions if row["event_id"] is not None]
    assert len(about_events) == len(events) + len(later)
    assert set(about_events) == {1}
    for replica in replicas:
        await replica.pass_time(START + 31 * DAY + 3 * HOUR)
    campaigns = Counter(campaign for campaign, _, _ in await replicas[0].sends())
    # product-nps about another order than the service survey's is within the quiet period; about the same it is not.
    asked = await replicas[0].rows(
        "SELECT count(*) AS n FROM sends WHERE campaign = 'service-nps' AND order_id LIKE '%-0'"
    )
    assert campaigns["product-nps"] == asked[0]["n"]
    await assert_asked_once(replicas[0])


async def test_two_loops_on_one_customer_never_both_send(open_dispatcher: Open) -> None:
    """While one replica decides about a customer, the other finds nothing to decide, and does not wait."""
    one, other = await open_dispatcher(), await open_dispatcher()
    await one.handle(order_event("placed", "o-1"), order_event("placed", "o-2"))
    one.clock.moment = other.clock.moment = START + HOUR
    async with one.runtime.engine.begin() as connection:
        await connection.execute(text("SELECT 1 FROM customers WHERE customer_id = 'c-1' FOR UPDATE"))
        async with asyncio.timeout(5):
            await other.decide()
        assert await other.sends() == []
    await asyncio.gather(one.decide(), other.decide())
    await one.decide()
    assert len(await one.sends()) == 1


events = st.builds(
    lambda kind, order, customer, hours: (kind, f"o-{order}", f"c-{customer}", hours),
    st.sampled_from(["placed", "paid", "shipped", "delivered", "cancelled", "refunded"]),
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(-200, 0),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=8), st.data())
async def test_any_batching_of_any_reordering_stores_the_same_and_one_decision_an_event(
    dispatcher: Dispatcher, arrived: list[tuple[str, str, str, int]], data: st.DataObject
) -> None:
    run = data.draw(st.uuids(version=4)).hex[:8]
    messages = [
        order_event(kind, f"{run}-{order}", f"{run}-{customer}", at=START + hours * HOUR, event_id=f"{run}-{index}")
        for index, (kind, order, customer, hours) in enumerate(arrived)
    ]

    async def stored() -> list[object]:
        like = {"like": f"{run}%"}
        return [
            await dispatcher.rows("SELECT * FROM orders WHERE order_id LIKE :like ORDER BY order_id", **like),
            await dispatcher.rows("SELECT * FROM customers WHERE customer_id LIKE :like ORDER BY customer_id", **like),
            await dispatcher.rows("SELECT * FROM timers WHERE customer_id LIKE :like ORDER BY timer_id", **like),
        ]

    async def forget() -> None:
        async with dispatcher.runtime.engine.begin() as connection:
            for table in ("orders", "customers", "timers", "decisions"):
                await connection.execute(text(f"DELETE FROM {table}"))

    await forget()
    await dispatcher.handle(*messages)
    at_once = await stored()
    await forget()
    again = data.draw(st.permutations([*messages, *messages[: len(messages) // 2]]))
    start = 0
    while start < len(again):
        size = data.draw(st.integers(1, 4))
        await dispatcher.handle(*again[start : start + size])
        start += size
    assert await stored() == at_once
    decided = await dispatcher.rows("SELECT event_id FROM decisions WHERE event_type LIKE 'order.%'")
    assert sorted(row["event_id"] for row in decided) == sorted(message.event_id for message in messages)


async def test_the_same_id_from_another_source_is_another_event(dispatcher: Dispatcher) -> None:
    first = order_event("placed", event_id="1")
    from_elsewhere = Message(**{name: getattr(first, name) for name in first.__slots__} | {"source": "/marketplace"})
    await dispatcher.handle(first, from_elsewhere, first)
    await dispatcher.handle(from_elsewhere)
    assert await dispatcher.outcomes() == [("timer_set", "milestone_reached"), ("no_timer", "no_change")]


async def test_an_id_used_again_for_something_else_changes_nothing(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", event_id="1"))
    timers = await dispatcher.timers()
    await dispatcher.handle(order_event("cancelled", event_id="1"), order_event("placed", "o-2", event_id="1"))
    assert await dispatcher.timers() == timers
    assert await dispatcher.outcomes() == [("timer_set", "milestone_reached")]


async def test_a_crash_before_the_commit_sends_nothing_and_the_next_try_sends_once(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dispatcher.handle(order_event("placed"))
    dispatcher.clock.moment = START + HOUR
    put = dispatcher.runtime.outbox.put

    async def die(*_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(dispatcher.runtime.outbox, "put", die)
    with pytest.raises(ConnectionResetError):
        await dispatcher.loop.step()
    assert await dispatcher.sends() == []
    assert "service-nps o-1" in await dispatcher.timers()
    monkeypatch.setattr(dispatcher.runtime.outbox, "put", put)
    await dispatcher.decide()
    assert await assert_asked_once(dispatcher) == 1


async def test_an_event_after_the_survey_does_not_ask_again(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"))
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.handle(order_event("placed", at=START + timedelta(minutes=5)), order_event("paid"))
    assert "service-nps o-1" not in await dispatcher.timers()
    assert (await dispatcher.outcomes())[-2:] == [("no_timer", "already_asked"), ("no_timer", "no_campaign_matches")]


async def test_a_customer_with_hundreds_of_due_orders_is_asked_once_and_holds_nobody_up(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(*(order_event("placed", f"o-{n}", "c-1") for n in range(350)))
    await dispatcher.handle(order_event("placed", "o-other", "c-2"))
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.decide()
    while await dispatcher.rows("SELECT 1 FROM timers WHERE due_at <= :now LIMIT 1", now=dispatcher.clock.moment):
        await dispatcher.loop.step()
    assert await assert_asked_once(dispatcher) == 2


async def test_an_erased_person_leaves_nothing_but_ids(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", attributes={"gift_for": "Ana"}), order_event("placed", "o-2"))
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.handle(preference("bounced", address="ana@example.com", at=START + HOUR))
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(text("DELETE FROM outbox"))  # as the relay does once Kafka has it
    erased = preference("erased", revision=2, at=START + DAY)
    await dispatcher.handle(erased)
    assert await dispatcher.timers() == {}
    # Late events and duplicates bring nothing back.
    await dispatcher.handle(erased)
    await dispatcher.handle(order_event("paid", at=START + 2 * HOUR, attributes={"gift_for": "Ana"}))
    await dispatcher.handle(order_event("delivered", "o-1", at=START + 3 * HOUR))
    tables = await dispatcher.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    for table in (row["table_name"] for row in tables):
        for row in await dispatcher.rows(f"SELECT t::text AS whole FROM {table} AS t"):
            assert "ana" not in row["whole"].lower(), table
            assert "wooden" not in row["whole"] or table == "orders"
    assert await dispatcher.timers() == {}
    assert ("timer_cancelled", "erased") in await dispatcher.outcomes()
    assert (await dispatcher.outcomes())[-1] == ("no_timer", "erased")
    # A returning customer is treated like any other.
    await dispatcher.handle(order_event("placed", "o-9", at=START + 100 * DAY))
    await dispatcher.pass_time(START + 100 * DAY + HOUR)
    assert ("service-nps", "o-9", START + 100 * DAY + HOUR) in await dispatcher.sends()
