"""An order's facts are the same whatever the order, number and grouping of its events."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain import customers, orders
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.orders import Order
from shared.contracts.orders import Customer as TellsOf
from shared.contracts.orders import Item, Money, OrderEvent, Shipment
from shared.order_facts import SHIPMENTS_KEPT

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TYPES = ("order.placed", "order.paid", "order.shipped", "order.delivered", "order.cancelled", "order.returned")


def event(day: float = 0, *, customer: dict[str, Any] | None = None, **fields: Any) -> OrderEvent:
    person = TellsOf(**{"id": "c-1", **(customer or {})})
    return OrderEvent(order_id="o-1", occurred_at=START + day * DAY, customer=person, **fields)


def folded(*events: tuple[str, OrderEvent]) -> Order:
    order = Order("o-1")
    for kind, body in events:
        order = orders.fold(order, kind, body)
    return order


some = st.sampled_from([None, "a", "b"])
tellings = st.builds(
    lambda kind, day, country, email, shipment, of, promised, channel: (
        kind,
        event(
            day,
            customer={"country": country, "email": email, "id": channel or "c-1"},
            shipment=None if shipment is None else Shipment(id=shipment, of=of),
            promised_at=None if promised is None else START + promised * DAY,
            channel=channel,
        ),
    ),
    st.sampled_from(TYPES),
    st.integers(0, 3),
    some,
    some,
    some,
    st.integers(1, 3),
    st.none() | st.integers(0, 9),
    some,
)


@given(st.lists(tellings, max_size=8), st.data())
def test_any_order_and_any_duplicates_give_the_same_facts(
    events: list[tuple[str, OrderEvent]], data: st.DataObject
) -> None:
    told_again = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=4))] if events else []
    shuffled = data.draw(st.permutations(told_again))
    assert folded(*shuffled) == folded(*events)
    customer, other = Customer(customer_id="c-1"), Customer(customer_id="c-1")
    for _, body in events:
        customer = customers.fold(customer, body, body.occurred_at)
    for _, body in shuffled:
        other = customers.fold(other, body, body.occurred_at)
    assert customer == other


def test_an_order_is_delivered_when_all_its_distinct_shipments_are() -> None:
    first = ("order.delivered", event(1, shipment=Shipment(id="s-1", of=2)))
    second = ("order.delivered", event(4, shipment=Shipment(id="s-2", of=2)))
    assert folded(first, first).facts.delivered_at is None
    assert folded(second, first, first).facts.delivered_at == START + 4 * DAY
    assert folded(("order.delivered", event(2))).facts.delivered_at == START + 2 * DAY


def test_how_many_shipments_there_are_may_become_known_late() -> None:
    alone = ("order.delivered", event(1, shipment=Shipment(id="s-1")))
    assert folded(alone).facts.delivered_at == START + DAY
    assert folded(("order.placed", event(0)), alone).facts.delivered_at == START + DAY
    assert folded(alone, ("order.shipped", event(0, shipment=Shipment(id="s-2", of=2)))).facts.delivered_at is None


def test_a_milestone_is_when_it_first_happened_and_a_detail_what_was_said_last() -> None:
    order = folded(
        ("order.placed", event(2, channel="app", promised_at=START + 5 * DAY)),
        ("order.placed", event(1, channel="web", promised_at=START + 9 * DAY)),
        ("order.paid", event(3)),
    )
    assert order.milestone("order.placed") == START + DAY
    assert order.milestone("order.promised") == START + 5 * DAY
    assert order.details["sales_channel"][1] == "app"
    assert order.ordered_at == START + DAY


def test_deliveries_kept_are_bounded_and_still_commutative() -> None:
    many = [("order.delivered", event(0.001 * n, shipment=Shipment(id=f"s-{n}", of=1_000))) for n in range(1_010)]
    forward, backward = folded(*many), folded(*reversed(many))
    assert forward == backward
    assert len(forward.facts.delivered) == SHIPMENTS_KEPT


def test_what_a_refund_gives_back_is_not_what_the_order_costs() -> None:
    bought = ("order.placed", event(0, total=Money(amount=Decimal("159.90"), currency="BRL")))
    refunded = ("order.refunded", event(1, total=Money(amount=Decimal(20), currency="BRL")))
    order = folded(bought, refunded)
    assert (order.details["amount"][1], order.stopped_by(orders.STOPS)) == ("159.90", None)


def test_an_order_holds_nothing_that_tells_who_the_person_is() -> None:
    person = {"email": "ana@example.com", "name": "Ana", "phone": "+5511", "locale": "pt", "timezone": "UTC"}
    order = folded(("order.placed", event(customer=person, items=[Item(name="Train")], attributes={"note": "hi"})))
    assert set(order.details) == {"customer_id", "product", "attributes"}
    assert set(orders.erase(order).details) == {"customer_id"}
