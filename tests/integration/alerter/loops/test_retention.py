"""Customer data is deleted in time, and kept while somebody needs it."""

from datetime import timedelta

import pytest

from services.alerter.actions import cases as actions
from services.alerter.loops import retention
from services.alerter.loops.retention import RetentionLoop
from services.alerter.repository import orders as order_repository
from shared.contracts import identity, orders, preferences, sends
from tests.integration.alerter.kit import Alerter
from tests.unit.alerter.examples import CASE, NOON, answer, erased_customer, order, send


async def test_old_history_goes_but_not_that_of_a_waiting_case(alerter: Alerter) -> None:
    await alerter.handle("orders", (orders.PLACED, order()), (orders.PLACED, order("1002", "c-43")))
    await alerter.handle("surveys.sends", (sends.SENT, send()), (sends.SENT, send("s-2", "c-43")))
    await alerter.receive(answer(3, customer_id="c-42", order_id="1001"))
    alerter.clock.pass_time(days=400 + alerter.runtime.settings.customer_history_days)
    loop = RetentionLoop(alerter.runtime)
    assert [await loop.step(), await loop.step()] == [False, False]
    assert [row.order_id for row in await alerter.query("SELECT order_id FROM customer_orders")] == ["1001"]
    assert [row.send_id for row in await alerter.query("SELECT send_id FROM customer_surveys")] == ["s-1"]
    assert len(await alerter.query("SELECT 1 FROM customers")) == 1


async def test_a_closed_case_goes_with_its_history_when_its_time_has_come(alerter: Alerter) -> None:
    await alerter.receive(answer(3), answer(3, answer_id="a-2"), answer(3, answer_id="a-3"))
    for name in ("a-1", "a-2"):
        await actions.close(
            alerter.runtime,
            identity.case_id(name),
            sequence=1,
            actor="kim",
            reason="duplicate",
            root_cause=None,
            text="The same",
        )
        alerter.clock.pass_time(days=2)
    alerter.clock.pass_time(days=alerter.runtime.settings.case_days - 3)
    assert await RetentionLoop(alerter.runtime).step() is False
    left = {row.case_id for row in await alerter.query("SELECT case_id FROM cases")}
    assert left == {identity.case_id("a-2"), identity.case_id("a-3")}
    assert CASE not in {row.case_id for row in await alerter.query("SELECT case_id FROM case_history")}


async def test_customers_of_whom_nothing_is_left_go_whether_or_not_they_were_ever_erased(alerter: Alerter) -> None:
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    alerter.clock.pass_time(days=1)
    back = NOON + timedelta(days=1)
    await alerter.handle("orders", (orders.PLACED, order("1002", at=back)))
    await alerter.receive(answer(9, customer_id="c-7"))
    await actions.close(
        alerter.runtime, CASE, sequence=1, actor="kim", reason="duplicate", root_cause=None, text="The same"
    )
    await RetentionLoop(alerter.runtime).step()
    assert len(await alerter.query("SELECT 1 FROM customers")) == 1
    alerter.clock.pass_time(days=2 + alerter.runtime.settings.customer_history_days)
    await RetentionLoop(alerter.runtime).step()
    assert await alerter.query("SELECT 1 FROM customers") == []
    # That they were erased stays known, and from which orders on they may be known again.
    assert len(await alerter.query("SELECT 1 FROM erasures")) == 1


async def test_a_customer_whose_case_came_when_their_orders_had_gone_is_kept_for_it(alerter: Alerter) -> None:
    await alerter.handle("orders", (orders.PLACED, order()))
    alerter.clock.pass_time(days=1 + alerter.runtime.settings.customer_history_days)
    async with alerter.runtime.transaction() as connection:
        assert await order_repository.prune(connection, alerter.clock.now() - timedelta(days=1), limit=10) == 1
    await alerter.receive(answer(3, customer_id="c-42"))
    await RetentionLoop(alerter.runtime).step()
    assert len(await alerter.query("SELECT 1 FROM customers WHERE document IS NOT NULL")) == 1


async def test_an_order_from_before_an_erasure_brings_nobody_back_however_late_it_is_told_of(alerter: Alerter) -> None:
    await alerter.handle("orders", (orders.PLACED, order()))
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer()))
    alerter.clock.pass_time(days=1 + alerter.runtime.settings.customer_history_days)
    await RetentionLoop(alerter.runtime).step()
    await alerter.handle("orders", (orders.REFUNDED, order(at=alerter.clock.now())))
    assert await alerter.query("SELECT 1 FROM customers WHERE document IS NOT NULL") == []
    assert await alerter.query("SELECT 1 FROM customer_orders") == []


async def test_what_is_more_than_a_step_may_delete_goes_in_the_next(
    alerter: Alerter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_MAX_ROWS", 2)
    monkeypatch.setattr(retention, "_MAX_CASES", 2)
    await alerter.handle("orders", *((orders.PLACED, order(str(number), f"c-{number}")) for number in range(3)))
    alerter.clock.pass_time(days=1 + alerter.runtime.settings.customer_history_days)
    loop = RetentionLoop(alerter.runtime)
    assert [await loop.step(), await loop.step()] == [True, False]
    assert await alerter.query("SELECT 1 FROM customer_orders") == []
