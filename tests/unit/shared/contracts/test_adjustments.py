"""What is sent otherwise than the contract says is converted, cut or left out, and told; the schema says the same."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from shared.contracts import orders
from shared.contracts.adjustments import Adjustment
from shared.contracts.cloudevents import UnreadableRecord, read_body
from shared.contracts.generate import json_schema
from shared.contracts.orders import OrderEvent
from shared.contracts.topics import CATALOGUE, ORDERS

BODY: dict[str, Any] = {
    "order_id": "1001",
    "occurred_at": "2026-11-01T09:30:00-03:00",
    "customer": {
        "id": "c-42",
        "email": "ana@example.com",
        "phone": "+5511",
        "name": "Ana",
        "locale": "pt-BR",
        "timezone": "America/Sao_Paulo",
        "country": "BR",
        "region": "SP",
        "tier": "gold",
        "first_order_at": "2020-11-01T09:30:00Z",
    },
    "total": {"amount": "159.90", "currency": "BRL"},
    "items": [{"sku": "s", "name": "Train", "category": "toys", "quantity": 1, "price": "159.90"}],
    "promised_at": "2026-11-05T12:00:00.123456-03:00",
    "shipment": {"id": "s-1", "of": 2},
    "channel": "web",
    "attributes": {"experiment": "B"},
}
DECIDE = ("order_id", "occurred_at", "customer", "customer.id")


def read(body: Any) -> tuple[OrderEvent, dict[str, str]]:
    event, adjustments = read_body(ORDERS, orders.PLACED, json.dumps(body).encode())
    assert isinstance(event, OrderEvent)
    return event, {one.field: one.change for one in adjustments}


def with_field(path: str, value: Any) -> dict[str, Any]:
    """BODY with another value of one field, such as ``items.price``."""
    body = deepcopy(BODY)
    *parents, name = path.split(".")
    holder: Any = body
    for parent in parents:
        holder = holder[parent][0] if parent == "items" else holder[parent]
    holder[name] = value
    return body


def test_what_the_contract_says_is_read_as_it_was_sent() -> None:
    event, adjusted = read(BODY)
    assert adjusted == {}
    assert json.loads(event.model_dump_json()) == {
        **BODY,
        "occurred_at": "2026-11-01T12:30:00Z",
        "promised_at": "2026-11-05T15:00:00.123456Z",
        "items": [{**BODY["items"][0], "quantity": 1.0}],
    }


@pytest.mark.parametrize(
    ("path", "sent", "change", "was_read"),
    [
        ("customer.name", 7, "converted", "7"),
        ("customer.name", True, "left_out", None),
        ("customer.name", ["Ana"], "left_out", None),
        ("customer.name", "A\x00na", "converted", "A na"),
        ("customer.name", "x" * 501, "cut", "x" * 500),
        ("customer.email", "x" * 501, "left_out", None),
        ("customer.region", "a\nb", "converted", "a b"),
        ("customer.country", "br", None, "BR"),
        ("customer.country", "Brasil", None, "Brasil"),
        ("customer.region", "Sa\u0303o Paulo", None, "São Paulo"),
        ("customer.region", " \u200b ", None, None),
        ("customer.first_order_at", "2020-11-01", "converted", datetime(2020, 11, 1, 3, tzinfo=UTC)),
        ("customer.first_order_at", "1604188800", "left_out", None),
        ("total.currency", "brl", None, "BRL"),
        ("total.currency", " brl ", "converted", "BRL"),
        ("total.amount", 159.9, "converted", Decimal("159.9")),
        ("total.amount", 160, "converted", Decimal("160")),
        ("total.amount", "159,90", "converted", Decimal("159.90")),
        ("total.amount", "1.234,56", "converted", Decimal("1234.56")),
        ("total.amount", "1,234.56", "converted", Decimal("1234.56")),
        ("total.amount", "1 234 567,8", "converted", Decimal("1234567.8")),
        ("total.amount", "1,234,567", "converted", Decimal("1234567")),
        ("total.amount", "159.90000001", "converted", Decimal("159.9000")),
        ("total.amount", "-5.00", None, Decimal("-5.00")),
        ("items.price", "1,234", "left_out", None),
        ("items.price", "1.234.56", "left_out", None),
        ("items.price", "12345678901234567890", "left_out", None),
        ("items.price", "R$ 5", "left_out", None),
        ("items.price", "", None, None),
        ("items.price", False, "left_out", None),
        ("items.quantity", 0.55, None, 0.55),
        ("items.quantity", 0, None, 0),
        ("items.quantity", "1.0000", "converted", 1),
        ("items.quantity", -1, "left_out", None),
        ("items.category", "x" * 138, "cut", "x" * 100),
        ("promised_at", "2026-11-05", "converted", datetime(2026, 11, 6, 2, 59, 59, 999999, UTC)),
        ("promised_at", "2026-11-05T12:00:00", "converted", datetime(2026, 11, 5, 15, tzinfo=UTC)),
        ("promised_at", "2026-11-05 12:00+0100", "converted", datetime(2026, 11, 5, 11, tzinfo=UTC)),
        ("promised_at", "2026-02-30T12:00:00Z", "left_out", None),
        ("promised_at", "1793525400000", "left_out", None),
        ("promised_at", 1793525400, "left_out", None),
        ("occurred_at", "2026-11-01 09:30Z", "converted", datetime(2026, 11, 1, 9, 30, tzinfo=UTC)),
        ("shipment.of", "3", "converted", 3),
        ("shipment.of", 0, "left_out", None),
        ("shipment.id", 7, "converted", "7"),
        ("channel", "", None, None),
    ],
)
def test_a_field_is_understood_as_far_as_it_can_be(path: str, sent: Any, change: str | None, was_read: Any) -> None:
    event, adjusted = read(with_field(path, sent))
    assert adjusted == ({} if change is None else {path: change})
    found: Any = event
    for name in path.split("."):
        found = getattr(found, name)
        found = found[0] if name == "items" else found
    assert found == was_read


@pytest.mark.parametrize(
    ("path", "sent", "adjustments"),
    [
        ("total", "159.90", {"total": "left_out"}),
        ("total", {"amount": "free", "currency": "BRL"}, {"total": "left_out", "total.amount": "left_out"}),
        ("total", {"amount": "5", "currency": "reais"}, {"total": "left_out", "total.currency": "left_out"}),
        ("total", {"amount": "5"}, {"total": "left_out"}),
        ("items", [{"name": "Train"}] * 600, {"items": "cut"}),
        ("items", ["Train"], {"items": "left_out"}),
        ("attributes", {"gift": True, "weight": 1.5}, {"attributes": "converted"}),
        ("attributes", {"a\nb": "c"}, {"attributes": "left_out"}),
        ("attributes", {f"a{number}": "b" for number in range(51)}, {"attributes": "cut"}),
        ("shipment", "s-1", {"shipment": "converted"}),
        ("shipment", {"of": 2}, {"shipment": "left_out"}),
    ],
)
def test_what_is_of_no_use_by_itself_goes_as_a_whole(path: str, sent: Any, adjustments: dict[str, str]) -> None:
    assert read(with_field(path, sent))[1] == adjustments


def test_there_are_few_fields_to_tell_of_however_many_a_shop_invents() -> None:
    names = {"order_id", "occurred_at", "ce_time"} | {
        name if prefix == "" else f"{prefix}.{name}"
        for prefix, model in (
            ("", OrderEvent),
            ("customer", orders.Customer),
            ("items", orders.Item),
            ("total", orders.Money),
            ("shipment", orders.Shipment),
        )
        for name in model.model_fields
    }
    body = with_field("attributes", {f"ana{number}@example.com": number for number in range(60)})
    body["items"] = [{"price": "free", "ana@example.com": 1}] * 20
    assert set(read(body)[1]) <= names


# What the schema says ---------------------------------------------------------------------------------------------

FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


SCHEMA = json_schema(orders.PLACED, OrderEvent)
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FORMATS)

texts = st.text(st.characters(max_codepoint=0x2FF, exclude_categories=["Cs"]), max_size=12) | st.integers(98, 502).map(
    "x".__mul__
)
numbers = st.integers(-3, 1_003) | st.floats(-3, 3, allow_nan=False) | st.sampled_from([1e16, 2.0])
amounts = st.sampled_from(["159.90", "-1", "0.0001", "0.00001", "1,5", "1e3", "", "5."]) | numbers
moments = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)).map(
    lambda at: at.isoformat() + "Z"
) | st.sampled_from(
    [
        "2026-11-01",
        "2026-02-30T10:00:00Z",
        "2026-11-01T25:00:00Z",
        "1900-01-01",
        "0001-01-01T00:00:00+14:00",
        "20261101",
        "2026-11-01T09:30:00",
        "",
        "2026-11-01 09:30Z",
    ]
)
values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | texts | numbers | amounts | moments | st.just([]) | st.just({})
)


def fields_of(model: type[Any], **known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with any of the model's fields, most of them of the right kind."""
    return st.fixed_dictionaries({}, optional={name: known.get(name, texts) | values for name in model.model_fields})


items = st.lists(fields_of(orders.Item, quantity=numbers, price=amounts), max_size=3)
totals = fields_of(orders.Money, amount=amounts, currency=st.sampled_from(["BRL", "brl", "BR"]))
attributes = st.dictionaries(texts, texts | st.none() | numbers, max_size=3)
bodies = fields_of(
    OrderEvent,
    occurred_at=moments,
    customer=fields_of(orders.Customer, id=texts, first_order_at=moments),
    total=totals,
    items=items,
    promised_at=moments,
    shipment=fields_of(orders.Shipment, id=texts, of=numbers),
    attributes=attributes,
)
ONE_FIELD: tuple[tuple[str, Callable[[], st.SearchStrategy[Any]]], ...] = tuple(
    (path, lambda kind=kind: kind)  # type: ignore[misc]
    for path, kind in {
        **{f"customer.{name}": values for name in orders.Customer.model_fields},
        **{f"items.{name}": values for name in orders.Item.model_fields},
        **dict.fromkeys(OrderEvent.model_fields, values),
        "total": totals | values,
        "total.amount": values,
        "total.currency": values,
        "shipment": fields_of(orders.Shipment, of=numbers) | values,
        "shipment.of": values,
        "items": items | values,
        "attributes": attributes | values,
    }.items()
)
changed_bodies = st.sampled_from(ONE_FIELD).flatmap(lambda one: one[1]().map(lambda value: with_field(one[0], value)))


@settings(max_examples=500)
@given(changed_bodies | bodies)
@example(with_field("attributes", {"x" * 101: "a"}))
@example(with_field("attributes", {"a\x01": "b"}))
@example(with_field("attributes", {"\n": 5, "\u00ad": 5, " " * 101: 5}))
def test_the_schema_allows_exactly_what_is_read_as_it_was_sent(body: dict[str, Any]) -> None:
    violated = [".".join(str(part) for part in error.absolute_path) for error in VALIDATOR.iter_errors(body)]
    try:
        _, adjusted = read(body)
    except UnreadableRecord:
        # Only what decides can cost an event its life, and the schema says what is wrong with it.
        assert any(path in DECIDE or path == "" for path in violated)
    else:
        assert bool(adjusted) == bool(violated), (adjusted, violated)


@pytest.mark.parametrize(
    ("event_type", "model"),
    [(event_type, model) for topic in CATALOGUE for event_type, model in topic.bodies.items()],
)
def test_a_schema_is_one(event_type: str, model: Any) -> None:
    Draft202012Validator.check_schema(json_schema(event_type, model))


def test_every_field_of_an_order_says_what_it_is_for() -> None:
    parts = [SCHEMA, *SCHEMA["$defs"].values()]
    described = {name: field.get("description") for part in parts for name, field in part["properties"].items()}
    assert [name for name, description in described.items() if not description] == []


def test_an_adjustment_is_told_once_a_field() -> None:
    event = read_body(ORDERS, orders.PLACED, json.dumps({**BODY, "items": [{"price": "free"}] * 3}).encode())
    assert event[1] == (Adjustment("items.price", "left_out"),)
