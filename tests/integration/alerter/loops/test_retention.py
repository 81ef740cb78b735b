"""Customer data is deleted in time, and kept while somebody needs it."""

from services.alerter.loops.retention import RetentionLoop
from shared.contracts import orders, sends
from tests.integration.alerter.kit import Alerter
from tests.unit.alerter.examples import answer, order, send


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
