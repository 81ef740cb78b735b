"""The digest of an order event is the same, whichever way what it says is written."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.event_contents import as_json, content_digest, said_plainly
from shared.contracts.adjustments import adjusted_order
from shared.contracts.orders import Customer, Item, Money, OrderEvent, Shipment
from shared.contracts.types import Contract

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12)
labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(str.strip)
moments = st.datetimes(
    datetime(1971, 1, 1),
    datetime(2199, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3)), timezone(timedelta(hours=5, minutes=30))]),
)
amounts = st.one_of(
    st.decimals(-(10**14), 10**14, places=4),
    st.decimals(-(10**6), 10**6, places=2),
    st.integers(-9, 9).map(Decimal),
    st.sampled_from([Decimal("1E+3"), Decimal("-0"), Decimal("0.0001")]),
)
quantities = st.none() | st.floats(0, allow_infinity=False) | st.integers(0, 10**9).map(float)
FIELDS: dict[type[Contract], dict[str, st.SearchStrategy[Any]]] = {
    Customer: {
        "id": labels,
        **dict.fromkeys(("email", "phone", "name"), st.none() | texts),
        **dict.fromkeys(("locale", "timezone", "country", "region", "tier"), st.none() | labels),
        "first_order_at": st.none() | moments,
    },
    Money: {"amount": amounts, "currency": st.sampled_from(["BRL", "nok"])},
    Item: {
        **dict.fromkeys(("sku", "name"), st.none() | texts),
        "category": st.none() | labels,
        "quantity": quantities,
        "price": st.none() | amounts,
    },
    Shipment: {"id": labels, "of": st.none() | st.integers(1, 1_000)},
}
FIELDS[OrderEvent] = {
    "order_id": labels,
    "occurred_at": moments,
    "customer": st.deferred(lambda: events_of(Customer)),
    "total": st.none() | st.deferred(lambda: events_of(Money)),
    "items": st.lists(st.deferred(lambda: events_of(Item)), max_size=3),
    "promised_at": st.none() | moments,
    "shipment": st.none() | st.deferred(lambda: events_of(Shipment)),
    "channel": st.none() | labels,
    "attributes": st.dictionaries(labels, texts, max_size=2),
}


def events_of(model: type[Contract]) -> st.SearchStrategy[Any]:
    """Those with all fields, and those in which what may be left out is."""
    fields = FIELDS[model]
    required = {name: of for name, of in fields.items() if model.model_fields[name].is_required()}
    optional = {name: of for name, of in fields.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda said: model(**said))


def test_every_field_of_the_contract_is_tried() -> None:
    for model, fields in FIELDS.items():
        assert fields.keys() == model.model_fields.keys()


@given(events_of(OrderEvent))
def test_what_is_written_plainly_is_what_the_contract_writes(event: OrderEvent) -> None:
    plainly = said_plainly(event)
    assert plainly in (None, as_json(event))


@given(events_of(OrderEvent))
def test_and_so_it_is_once_it_was_sent_and_read(event: OrderEvent) -> None:
    adjusted, _ = adjusted_order(event.model_dump(mode="json", exclude_none=True))
    read = OrderEvent.model_validate(adjusted)
    assert said_plainly(read) in (None, as_json(read))


def test_a_usual_event_is_written_plainly() -> None:
    event = OrderEvent(
        order_id="1001",
        occurred_at=datetime(2026, 11, 1, 12, 30, tzinfo=UTC),
        customer=Customer(id="c-42", email="ana@example.com", name="Ana", country="BR", tier="gold"),
        total=Money(amount=Decimal("159.90"), currency="BRL"),
        items=[Item(name="A wooden train", quantity=2, price=Decimal("59.90")), Item(category="toys")],
        channel="web",
    )
    assert said_plainly(event) == as_json(event)
    assert content_digest("order.placed", event) == "d0ee020f-19b2-6e58-d2be-eb0d9f39a47f"
