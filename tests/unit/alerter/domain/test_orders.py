"""What is known of an order does not depend on the order in which its events come."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.alerter.domain.orders import Order, with_event
from shared.contracts import orders
from shared.contracts.orders import Customer as Told
from shared.contracts.orders import Item, Money, OrderEvent, Shipment
from shared.persistence.stored import read_stored
from tests.unit.alerter.examples import NOON, order

TYPES = (orders.PLACED, orders.PAID, orders.SHIPPED, orders.DELIVERED, orders.CANCELLED, orders.RETURNED)


@st.composite
def events(draw: st.DrawFn) -> tuple[str, OrderEvent]:
    def maybe(value: st.SearchStrategy[object]) -> object:
        return draw(st.none() | value)

    amount = maybe(st.sampled_from([Decimal("1.50"), Decimal("20")]))
    parcel = maybe(st.sampled_from(["p1", "p2"]))
    return draw(st.sampled_from(TYPES)), order(
        at=NOON + timedelta(hours=draw(st.integers(0, 3))),
        customer=Told(id="c-42", name=maybe(st.sampled_from(["Ana", "Ana P."])), phone=maybe(st.just("1"))),  # type: ignore[arg-type]
        items=[Item(name=name) for name in draw(st.lists(st.sampled_from(["train", "doll"]), max_size=2))],
        total=None if amount is None else Money(amount=amount, currency="BRL"),  # type: ignore[arg-type]
        promised_at=maybe(st.just(NOON)),
        shipment=None if parcel is None else Shipment(id=parcel, of=2),  # type: ignore[arg-type]
    )


def order_after(told: list[tuple[str, OrderEvent]]) -> Order | None:
    known = None
    for event_type, event in told:
        known = with_event(known, event_type, event)
    return known


@given(st.lists(events(), min_size=1, max_size=6).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_orders_are_the_same_in_whatever_order_they_are_told_of(
    told: tuple[list[tuple[str, OrderEvent]], list[tuple[str, OrderEvent]]],
) -> None:
    in_order, shuffled = told
    assert order_after(in_order) == order_after([*shuffled, *in_order])


@given(st.lists(events(), min_size=1, max_size=5))
def test_an_order_reads_back_as_it_was_kept(told: list[tuple[str, OrderEvent]]) -> None:
    known = order_after(told)
    assert known is not None
    assert Order.model_validate_json(known.model_dump_json(exclude_none=True)) == known


def delivered(parcel: str, at: datetime) -> tuple[str, OrderEvent]:
    return orders.DELIVERED, order(at=at, shipment=Shipment(id=parcel, of=2))


def test_an_order_is_delivered_with_its_last_parcel() -> None:
    shipped = (orders.SHIPPED, order(at=NOON))
    known = order_after([shipped, delivered("p1", NOON + timedelta(hours=1))])
    assert known is not None and (known.status, known.delivered_at) == ("shipped", None)
    known = order_after([shipped, delivered("p2", NOON + timedelta(hours=2)), delivered("p1", NOON)])
    assert known is not None and (known.status, known.delivered_at) == ("delivered", NOON + timedelta(hours=2))


def test_what_is_told_several_times_happened_when_it_was_first_told() -> None:
    again = NOON + timedelta(hours=5)
    known = order_after([(orders.PLACED, order(at=again)), (orders.PLACED, order(at=NOON)), delivered("p1", again)])
    assert known is not None and (known.placed_at, known.told_at) == (NOON, again)
    known = order_after([(orders.DELIVERED, order(at=again)), (orders.DELIVERED, order(at=NOON))])
    assert known is not None and known.delivered_at == NOON


def test_an_order_stored_before_whole_deliveries_were_kept_among_the_parcels_is_still_delivered() -> None:
    whole = Order(order_id="1001", happened={"shipped": NOON, "delivered": NOON + timedelta(hours=1)})
    assert (whole.status, whole.delivered_at) == ("delivered", NOON + timedelta(hours=1))
    paid_late = with_event(whole, orders.PAID, order(at=NOON))
    assert (paid_late.status, paid_late.delivered_at) == ("delivered", NOON + timedelta(hours=1))
    partly = Order(
        order_id="1001", happened={"shipped": NOON, "delivered": NOON}, parcels={"p1": NOON}, parcels_in_all=2
    )
    assert (partly.status, partly.delivered_at) == ("shipped", None)


def test_what_was_bought_is_as_the_newest_event_that_tells_of_it_says() -> None:
    old = (orders.PLACED, order(at=NOON, items=[Item(name="train")]))
    new = (orders.PAID, order(at=NOON + timedelta(hours=1), items=[Item(name="doll")]))
    later = NOON + timedelta(hours=2)
    silent = (orders.SHIPPED, order(at=later, items=[], total=None, promised_at=later))
    for told in ([old, new, silent], [silent, new, old]):
        known = order_after(told)
        assert known is not None and known.description is not None
        assert known.description.products == ("doll",)
        # One event says what was bought, another what it costs or when it comes: none of them says the others away.
        assert known.total == Money(amount=Decimal("159.90"), currency="BRL")
        assert known.promised_at == later


def test_an_order_stored_when_its_description_was_one_still_says_it_all() -> None:
    stored = Order.model_validate_json(
        b'{"order_id": "1001", "happened": {"placed": "2026-03-02T12:00:00Z"},'
        b' "description": {"at": "2026-03-02T12:00:00Z", "products": ["train"],'
        b' "amount": "159.90", "currency": "BRL", "promised_at": "2026-03-05T12:00:00Z"}}'
    )
    for known in (
        stored,
        with_event(stored, orders.PAID, order(at=NOON, items=[Item(name="doll")], total=None, promised_at=None)),
    ):
        assert known.total == Money(amount=Decimal("159.90"), currency="BRL")
        assert known.promised_at == NOON + timedelta(days=3)


def test_a_status_that_only_a_newer_release_knows_is_passed_on_and_not_shown() -> None:
    known = with_event(None, orders.PLACED, order(at=NOON))
    document = json.loads(known.model_dump_json())
    document["happened"]["packed"] = (NOON + timedelta(hours=1)).isoformat()
    stored = read_stored(Order, json.dumps(document))
    assert stored.status == "placed"
    paid = with_event(stored, orders.PAID, order(at=NOON + timedelta(minutes=1)))
    assert paid.status == "paid"
    assert paid.happened["packed"] == NOON + timedelta(hours=1)
