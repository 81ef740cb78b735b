"""A customer id that turns out to be many people's: each of them is shown, and erased, alone."""

import asyncio
import random

import pytest

from shared.contracts import answers, identity, orders, preferences
from shared.contracts.orders import Customer, Item, OrderEvent
from shared.contracts.shared_ids import FOUND, SharedId
from shared.contracts.types import Contract
from tests.integration.alerter.kit import Alerter, Open
from tests.kit.messages import message
from tests.unit.alerter.examples import CASE, NOON, answer, erased_customer, order

PEOPLE = ("ana", "bo", "cy", "dee", "eve", "flo", "gil")
SHARED = (FOUND, SharedId(customer_id="web", found_at=NOON))


def bought(name: str, customer_id: str = "web") -> tuple[str, OrderEvent]:
    who = Customer(id=customer_id, name=name.title(), email=f"{name}@example.com")
    return orders.PLACED, order(f"order-{name}", customer=who, items=[Item(name=f"{name}'s train")])


def delivered(name: str, customer_id: str = "web") -> tuple[str, OrderEvent]:
    return orders.DELIVERED, order(f"order-{name}", customer=Customer(id=customer_id), items=[])


def guest_of(alerter: Alerter, name: str) -> str:
    return alerter.runtime.guests.person(Customer(id="web", email=f"{name}@example.com"), f"order-{name}")


async def test_the_case_of_an_order_has_the_details_of_who_placed_it_also_before_the_id_is_found_out(
    alerter: Alerter,
) -> None:
    await alerter.handle("orders", *(bought(name) for name in PEOPLE))
    await alerter.receive(answer(2, customer_id="web", order_id="order-ana"))
    (told,) = await alerter.published()
    assert told.body["customer"] == {
        "customer_id": "web", "name": "Ana", "email": "ana@example.com"
    }  # fmt: skip
    detail = await alerter.detail(CASE)
    assert detail.context.customer is not None and detail.context.customer.email == "ana@example.com"


async def test_once_an_id_is_found_out_nobody_is_shown_the_orders_of_the_others(alerter: Alerter) -> None:
    await alerter.handle("orders", *(bought(name) for name in PEOPLE), bought("ana's-other"))
    await alerter.receive(
        answer(2, customer_id="web", order_id="order-ana"),
        answer(2, answer_id="a-2", customer_id="web"),
        answer(2, answer_id="a-3", customer_id="web", order_id="order-gil"),
    )
    await alerter.handle("customers.shared", SHARED)
    detail = await alerter.detail(CASE)
    assert [one.order_id for one in detail.orders] == ["order-ana"] and detail.other_cases == []
    unknown = await alerter.detail(identity.case_id("a-2"))
    assert unknown.context.customer is None and unknown.orders == [] and unknown.other_cases == []
    last = {told.key: told.body for told in await alerter.published()}
    assert last[identity.case_id("a-2")]["customer"] == {"customer_id": "web"}, "whose details it would be is unknown"
    found = await alerter.query("SELECT case_id FROM cases WHERE searched LIKE '%gil%'")
    assert [row.case_id for row in found] == [identity.case_id("a-3")]


async def test_what_comes_after_an_id_was_found_out_belongs_to_each_of_its_people(alerter: Alerter) -> None:
    await alerter.handle("customers.shared", SHARED)
    await alerter.handle("orders", bought("ana"), bought("gil"), delivered("ana"))
    await alerter.receive(answer(2, customer_id=guest_of(alerter, "ana"), order_id="order-ana"))
    (told,) = await alerter.published()
    assert told.body["customer"]["email"] == "ana@example.com"
    assert [one.order_id for one in (await alerter.detail(CASE)).orders] == ["order-ana"]


@pytest.mark.parametrize("by", ["address", "order"])
@pytest.mark.parametrize("customer_id", ["web", "0"])
async def test_one_of_them_is_erased_by_address_or_by_order_and_nobody_else(
    alerter: Alerter, by: str, customer_id: str
) -> None:
    await alerter.handle("orders", *(bought(name, customer_id) for name in PEOPLE), delivered("gil", customer_id))
    await alerter.receive(
        answer(2, customer_id=customer_id, order_id="order-gil", comment="It broke, says Gil"),
        answer(2, answer_id="a-2", customer_id=customer_id, order_id="order-ana"),
    )
    gil = guest_of(alerter, "gil") if by == "address" else alerter.runtime.guests.of_order("order-gil")
    await alerter.handle("customers.preferences", (preferences.ERASED, erased_customer(gil)))
    await alerter.handle("orders", delivered("gil", customer_id), bought("gil", customer_id))
    await alerter.handle("customers.shared", SHARED)
    await alerter.assert_nowhere("gil")
    standing = {told.key: told.body for told in (await alerter.standing()).values()}
    assert "answer" not in standing[CASE] and "customer" not in standing[CASE]
    assert standing[identity.case_id("a-2")]["customer"]["name"] == "Ana"
    assert len(await alerter.query("SELECT 1 FROM customer_orders")) == len(PEOPLE) - 1


async def test_an_order_and_the_erasure_of_who_placed_it_at_once_leave_nothing(open_alerter: Open) -> None:
    first, second = await open_alerter(), await open_alerter()
    await first.handle("customers.shared", SHARED)
    for number in range(20):
        name = f"gil{number}"
        erased = preferences.ERASED, erased_customer(guest_of(second, name))
        await asyncio.gather(first.handle("orders", bought(name)), second.handle("customers.preferences", erased))
    await first.assert_nowhere("gil")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_order_of_events_each_case_has_its_own_customer_and_the_erased_are_gone(
    alerter: Alerter, seed: int
) -> None:
    chosen = random.Random(seed)
    gone = guest_of(alerter, "gil")
    events: list[tuple[str, str, Contract]] = [
        *(("orders", *bought(name)) for name in ("ana", "bo", "gil")),
        *(("orders", *delivered(name)) for name in ("ana", "bo", "gil")),
        ("customers.shared", *SHARED),
        ("customers.preferences", preferences.ERASED, erased_customer(gone)),
        *(
            (
                "surveys.answers", answers.RECORDED,
                answer(2, answer_id=f"a-{name}", customer_id="web", order_id=f"order-{name}"),
            )
            for name in ("ana", "bo", "gil")
        ),
    ]  # fmt: skip
    chosen.shuffle(events)
    while events:
        together = [events.pop() for _ in range(min(len(events), chosen.randint(1, 4)))]
        await alerter.handle_batch([message(topic, kind, body) for topic, kind, body in together])
    await alerter.assert_nowhere("gil'", "gil@")
    for told in await alerter.published():
        # What an order says of who placed it goes before all else, whatever else is known by then.
        if told.body.get("order", {}).get("products"):
            name = told.body["order"]["order_id"].removeprefix("order-")
            assert told.body["customer"]["email"] == f"{name}@example.com"
    standing = {told.key: told.body for told in (await alerter.standing()).values()}
    assert "answer" not in standing.get(identity.case_id("a-gil"), {})
    for name in ("ana", "bo"):
        detail = await alerter.detail(identity.case_id(f"a-{name}"))
        customer, bought_by = detail.context.customer, detail.orders
        assert customer is not None and customer.email == f"{name}@example.com"
        assert [one.order_id for one in bought_by] == [f"order-{name}"] and detail.other_cases == []
