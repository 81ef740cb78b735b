"""A customer's erasure is complete and final, for any order and concurrency of events."""

import asyncio
from datetime import timedelta

from services.alerter.domain.orders import with_event
from services.alerter.repository import customers
from services.alerter.repository import orders as stored_orders
from shared.contracts import orders, preferences, sends
from tests.integration.alerter.kit import Alerter, Open
from tests.kit.locks import held_up
from tests.unit.alerter.examples import CASE, NOON, answer, erased_customer, order, send


async def test_what_was_told_of_a_customer_before_the_erasure_does_not_come_back(alerter: Alerter) -> None:
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    await alerter.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=3))))
    await alerter.handle("surveys.sends", (sends.SENT, send(at=NOON)))
    await alerter.receive(answer(1, customer_id="c-42", comment="Secret"))
    await alerter.assert_nowhere("ana", "secret", "c-42", "train")
    assert await alerter.published() == []
    await alerter.handle("orders", (orders.PLACED, order("1002", at=NOON + timedelta(days=3))))
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    assert len(await alerter.query("SELECT 1 FROM customer_orders")) == 1


async def test_a_customer_erased_takes_the_cases_along(alerter: Alerter) -> None:
    await alerter.receive(
        answer(1, customer_id="c-42", comment="Secret"),
        answer(1, answer_id="a-2", customer_id="c-42", received_at=NOON + timedelta(days=1)),
        answer(1, answer_id="a-3", customer_id="c-43"),
    )
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    told = await alerter.published()
    assert [(one.key, one.type) for one in told[3:]] == [(CASE, "case.closed")]


async def test_an_order_and_its_customers_erasure_at_once_leave_nothing(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    for number in range(20):
        who = f"c-{number}"
        await asyncio.gather(
            first.handle("orders", (orders.PLACED, order(f"o-{number}", who))),
            second.handle("customers.preferences", (preferences.ERASED, erased_customer(who))),
        )
    await first.assert_nowhere("ana", "train")


async def test_an_erasure_waits_for_an_order_under_way_and_takes_it_along(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    key = first.runtime.digests.key("c-42")
    await first.handle("orders", (orders.PLACED, order(at=NOON - timedelta(days=1))))
    async with first.runtime.transaction() as connection:
        locked = await customers.lock(connection, [key])
        erasing = asyncio.create_task(second.handle("customers.preferences", (preferences.ERASED, erased_customer())))
        await held_up(first.runtime, erasing)
        known = locked[key].customer
        assert known is not None
        await customers.save(connection, {key: known})
        await stored_orders.save(connection, [(key, with_event(None, orders.PAID, order()))])
    await erasing
    await first.assert_nowhere("ana", "train")
