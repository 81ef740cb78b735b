"""What becomes known about a customer or an order reaches the waiting cases."""

from shared.contracts import identity, orders, preferences
from shared.contracts.orders import Customer, Item, OrderEvent
from tests.integration.alerter.kit import Alerter
from tests.unit.alerter.examples import CASE, answer, erased_customer, order


async def test_an_order_that_comes_after_the_answer_completes_the_case_once(alerter: Alerter) -> None:
    await alerter.receive(answer(3, customer_id="c-42", order_id="1001"))
    await alerter.handle("orders", (orders.PLACED, order()))
    await alerter.handle("orders", (orders.PAID, order()), (orders.SHIPPED, order()))
    first, second = await alerter.published()
    assert "name" not in first.body["customer"]
    assert second.body["customer"]["name"] == "Ana Prado"
    assert second.body["order"]["products"] == ["Wooden train"]
    assert second.body["sequence"] == 2


async def test_guests_who_share_an_id_are_not_shown_each_others_orders_and_addresses(alerter: Alerter) -> None:
    def bought(order_id: str, name: str) -> tuple[str, OrderEvent]:
        who = Customer(id="0", name=name.title(), email=f"{name}@example.com")
        return orders.PLACED, order(order_id, customer=who, items=[Item(name=f"{name}'s train")])

    await alerter.receive(
        answer(2, customer_id="0", order_id="1001", comment="Broken"),
        answer(3, answer_id="a-2", customer_id="0", order_id="1002"),
        answer(3, answer_id="a-3", customer_id="0"),
    )
    await alerter.handle("orders", bought("1001", "ana"), bought("1002", "bo"), bought("1003", "ana"))
    last = {told.key: told.body for told in await alerter.published()}
    first, second, third = (last[identity.case_id(name)] for name in ("a-1", "a-2", "a-3"))
    assert (first["customer"]["email"], first["order"]["products"]) == ("ana@example.com", ["ana's train"])
    assert (second["customer"]["email"], second["order"]["products"]) == ("bo@example.com", ["bo's train"])
    assert third["customer"] == {"customer_id": "0"}
    detail = await alerter.detail(CASE)
    # The same mailbox, so the same person.
    assert {one.order_id for one in detail.orders} == {"1001", "1003"} and detail.other_cases == []
    assert (await alerter.detail(identity.case_id("a-3"))).orders == []
    # Their erasure is that of the person, not of the id that everybody shares.
    person = alerter.runtime.guests.person(Customer(id="0", email="ana@example.com"), "1001")
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer(person)))
    await alerter.assert_nowhere("ana")
    assert (await alerter.detail(identity.case_id("a-2"))).case.answer is not None
