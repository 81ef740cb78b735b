"""Promise 1 on the real database: asked once, in spite of racing replicas, a crash and a burst of orders."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.contracts.cloudevents import Message
from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, Open, order_event

QUIET = timedelta(days=90)


def pair_about_one_order(one: tuple[str, str | None], other: tuple[str, str | None]) -> bool:
    return one[1] is not None and one[1] == other[1] and {one[0], other[0]} == {"service-nps", "product-nps"}


async def assert_asked_once(dispatcher: Dispatcher) -> int:
    """No two surveys of a customer within the quiet period but a pair about one order. Gives the number of sends."""
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

    # Each event reaches two replicas, as when a partition changes hands under a wrong key.
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
    """While one replica decides about a customer, the other finds nothing to decide, and waits for nothing."""
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


@pytest.mark.parametrize(
    ("state", "counts"), [("bounced", False), ("failed", False), ("held", True), ("accepted", True)]
)
async def test_who_was_not_reached_was_not_asked(dispatcher: Dispatcher, state: str, counts: bool) -> None:
    """Of a survey that may have arrived, nobody knows that it did not."""
    await dispatcher.handle(order_event("placed"))
    await dispatcher.pass_time(START + HOUR)
    (survey,) = await dispatcher.published()
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO deliveries (send_id, state, message_id, campaign, expires_at)"
                " VALUES (:send_id, :state, 'm', 'service-nps', now())"
            ),
            {"send_id": survey["send_id"], "state": state},
        )
    await dispatcher.handle(order_event("placed", "o-2", at=START + DAY, email="ana@new.example"))
    await dispatcher.pass_time(START + DAY + HOUR)
    assert (len(await dispatcher.sends()) == 1) is counts
