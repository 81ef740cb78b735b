"""What becomes known about a customer or an order reaches the waiting cases."""

from shared.contracts import orders
from tests.integration.alerter.kit import Alerter
from tests.unit.alerter.examples import answer, order


async def test_an_order_that_comes_after_the_answer_completes_the_case_once(alerter: Alerter) -> None:
    await alerter.receive(answer(3, customer_id="c-42", order_id="1001"))
    await alerter.handle("orders", (orders.PLACED, order()))
    await alerter.handle("orders", (orders.PAID, order()), (orders.SHIPPED, order()))
    first, second = await alerter.published()
    assert "name" not in first.body["customer"]
    assert second.body["customer"]["name"] == "Ana Prado"
    assert second.body["order"]["products"] == ["Wooden train"]
    assert second.body["sequence"] == 2
