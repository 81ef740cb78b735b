"""Promise 4 for what real shops send: only order id, time and customer can cost an order its survey.

Each record goes the way of the dispatcher's consumer, up to the timer of the survey about it.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given

from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.order_events import OrderBatch, incoming
from services.dispatcher.domain.order_plans import CampaignIndex
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segmentation, taken
from services.dispatcher.settings import SHIPPED_CAMPAIGNS, read_campaigns
from shared.contracts.cloudevents import Message, UnreadableRecord, read
from shared.contracts.orders import OrderEvent
from shared.contracts.topics import ORDERS
from shared.digests import CustomerDigests
from shared.guests import Guests
from tests.kit.shop_orders import LONE_SURROGATE, SMALLEST, odd_orders

NOW = datetime(2026, 11, 1, 13, tzinfo=UTC)
GUESTS = Guests([], CustomerDigests("x" * 32))
CAMPAIGNS = read_campaigns(SHIPPED_CAMPAIGNS)
SERVICE = next(campaign for campaign in CAMPAIGNS if campaign.id == "service-nps")
BINARY = {"ce_specversion": "1.0", "ce_id": "e-1", "ce_source": "/shop", "ce_type": "order.placed"}
ENVELOPE = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed"}
BOM = b"\xef\xbb\xbf"


def received(value: bytes, headers: Mapping[str, str | bytes] = BINARY) -> Message:
    written = [(name, content if isinstance(content, bytes) else content.encode()) for name, content in headers.items()]
    return read(ORDERS, partition=0, offset=0, key=None, value=value, headers=written)


def asked(message: Message, now: datetime = NOW) -> OrderBatch:
    """What the dispatcher knows after the event; fails if it is not going to ask about the order."""
    assert isinstance(message.body, OrderEvent)
    order_id, customer_id = message.body.order_id, message.body.customer.id
    batch = OrderBatch(
        orders={order_id: Order(order_id)},
        customers={customer_id: Customer(customer_id=customer_id)},
        about_order={},
        recurring={},
        asked=set(),
        recurrences={},
        campaigns=CampaignIndex(dict(enumerate(CAMPAIGNS))),
        segmentation=Segmentation(),
        now=now,
    )
    (event,) = incoming([(message, message.body)], GUESTS)
    decision = batch.fold(event)
    assert (decision.outcome, decision.reason) == ("timer_set", "milestone_reached")
    assert ("service-nps", order_id) in batch.about_order
    return batch


def segments(batch: OrderBatch) -> Mapping[str, Any]:
    (order,), (customer,) = batch.orders.values(), batch.customers.values()
    return taken(batch.segmentation, SERVICE, customer, order, NOW)


def order(**fields: Any) -> dict[str, Any]:
    return {**SMALLEST, **fields}


def customer(**fields: Any) -> dict[str, Any]:
    return order(customer={"id": "c-1", **fields})


def item(**fields: Any) -> dict[str, Any]:
    return order(items=[{"name": "Train", **fields}])


def total(amount: Any, currency: Any = "BRL") -> dict[str, Any]:
    return order(total={"amount": amount, "currency": currency})


BODIES: dict[str, Any] = {
    **{f"blank {name}": customer(**{name: "  "}) for name in ("email", "phone", "name", "locale", "timezone")},
    **{f"empty {name}": customer(**{name: ""}) for name in ("region", "country", "locale", "tier", "name")},
    **{f"null {name}": customer(**{name: None}) for name in ("email", "region", "first_order_at")},
    "empty channel": order(channel=""),
    "empty category": item(category=""),
    **{f"null {name}": order(**{name: None}) for name in ("total", "items", "promised_at", "shipment", "attributes")},
    "null within": item(sku=None, name=None, category=None, quantity=None, price=None),
    "null item": order(items=[None]),
    "lower-case currency": total("159.90", "brl"),
    "no currency": total("159.90", ""),
    "quantity of a fraction": item(quantity=0.55),
    "quantity as text": item(quantity="1.0000"),
    "no quantity": item(quantity=0),
    "negative quantity": item(quantity=-1),
    "price as number": item(price=159.9),
    "price with many decimals": item(price="159.900000001"),
    "price with a decimal comma": item(price="159,90"),
    "negative price": item(price="-5.00"),
    "empty price": item(price=""),
    "price that is none": item(price="free"),
    "total as number": total(159.9),
    "total with many decimals": total(159.90000000000003),
    "total as text": order(total="159.90"),
    "long category": item(category="Home > " * 20),
    "long product name": item(name="x" * 800),
    "many lines": order(items=[{"name": "Train"}] * 600),
    "items that are none": order(items={"0": {}}),
    "attributes of all kinds": order(attributes={"gift": True, "weight": 1.5, "note": None, "tags": ["a"]}),
    "many attributes": order(attributes={f"a{number}": "b" for number in range(80)}),
    "attributes as list": order(attributes=[{"name": "gift", "value": "yes"}]),
    "control character": customer(name="Ana\x00", region="S\nP"),
    "lone surrogate": customer(name="Ana " + LONE_SURROGATE),
    "number as text": customer(phone=5511999990000, tier=3),
    "promised on a day": order(promised_at="2026-11-05"),
    "promised soon": order(promised_at="soon"),
    "first ordered in digits": customer(first_order_at="20201101"),
    "shipment without id": order(shipment={"of": 2}),
    "shipment of none": order(shipment={"id": "s-1", "of": 0}),
    "shipment as text": order(shipment="s-1"),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_order_is_asked_about_whatever_its_optional_fields_hold(body: Any) -> None:
    asked(received(json.dumps(body).encode()))


RECORDS: dict[str, tuple[bytes, Mapping[str, str | bytes]]] = {
    "byte order mark": (BOM + orjson.dumps(SMALLEST), BINARY),
    "not UTF-8": (orjson.dumps(customer(name="Zoë")).decode().encode("latin-1"), BINARY),
    "odd ce_time": (orjson.dumps(SMALLEST), {**BINARY, "ce_time": "yesterday"}),
    "ce_time in digits": (orjson.dumps(SMALLEST), {**BINARY, "ce_time": "1793525400000"}),
    "no ce_specversion": (orjson.dumps(SMALLEST), {k: v for k, v in BINARY.items() if k != "ce_specversion"}),
    "content type with a charset": (
        orjson.dumps(SMALLEST),
        {**BINARY, "content-type": "application/json; charset=utf-8"},
    ),
    "Content-Type": (orjson.dumps(SMALLEST), {**BINARY, "Content-Type": "application/json"}),
    "content type of bytes": (orjson.dumps(SMALLEST), {**BINARY, "content-type": "application/octet-stream"}),
    "structured": (
        orjson.dumps({**ENVELOPE, "data": SMALLEST}),
        {"content-type": "application/cloudevents+json; charset=UTF-8"},
    ),
    "structured, Content-Type": (
        orjson.dumps({**ENVELOPE, "data": SMALLEST}),
        {"Content-Type": "application/cloudevents+json"},
    ),
    "structured, no header": (orjson.dumps({**ENVELOPE, "data": SMALLEST}), {}),
    "structured, application/json": (
        orjson.dumps({**ENVELOPE, "data": SMALLEST}),
        {"content-type": "application/json"},
    ),
    "structured, byte order mark": (BOM + orjson.dumps({**ENVELOPE, "data": SMALLEST}), {}),
    "structured, data as text": (orjson.dumps({**ENVELOPE, "data": json.dumps(SMALLEST)}), {}),
    "structured, data_base64": (
        orjson.dumps({**ENVELOPE, "data_base64": base64.b64encode(orjson.dumps(SMALLEST)).decode()}),
        {},
    ),
    "structured, odd time": (orjson.dumps({**ENVELOPE, "time": 20261101, "data": SMALLEST}), {}),
    "structured, lone surrogate": (json.dumps({**ENVELOPE, "data": customer(name=LONE_SURROGATE)}).encode(), {}),
}


@pytest.mark.parametrize(("value", "headers"), RECORDS.values(), ids=RECORDS)
def test_an_order_is_asked_about_however_its_record_is_made(value: bytes, headers: Mapping[str, str | bytes]) -> None:
    asked(received(value, headers))


@given(odd_orders())
def test_nothing_in_an_optional_field_costs_an_order_its_life(
    body: dict[str, Any],
) -> None:
    batch = asked(received(json.dumps(body).encode()))
    # What is stored and published must be of the strict contracts again.
    (stored,) = batch.orders.values()
    orjson.dumps([stored.details, [one.details for one in batch.customers.values()], segments(batch)])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"occurred_at": "20261101"}, "occurred_at: is not an RFC 3339 time"),
        ({"occurred_at": "1793525400000"}, "occurred_at: is not an RFC 3339 time"),
        ({"occurred_at": "2026"}, "occurred_at: is not an RFC 3339 time"),
        ({"occurred_at": 1793525400}, "occurred_at: is not an RFC 3339 time"),
        ({"occurred_at": "2026-11-01"}, "occurred_at: is not an RFC 3339 time"),
        ({"order_id": " "}, "order_id: is blank"),
        ({"order_id": "1" + LONE_SURROGATE}, "order_id: Input should be a valid string"),
        ({"order_id": None}, "order_id: "),
        ({"customer": {"id": ""}}, "customer.id: "),
        ({"customer": "c-1"}, "customer: "),
    ],
)
def test_what_decides_must_be_right(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnreadableRecord, match=complaint):
        received(json.dumps({**SMALLEST, **change}).encode())


@pytest.mark.parametrize(
    ("value", "headers", "cause"),
    [
        (b"\x00\x00\x00\x00\x01" + orjson.dumps(SMALLEST), BINARY, "Confluent"),
        (orjson.dumps(json.dumps(SMALLEST)), BINARY, "encoded twice"),
        (orjson.dumps({**ENVELOPE, "data": SMALLEST}), BINARY, "structured mode"),
        (orjson.dumps(SMALLEST), {**BINARY, "content-type": "application/avro"}, "application/avro"),
        (orjson.dumps(SMALLEST), {**BINARY, "Content-Type": "application/avro"}, "application/avro"),
        (orjson.dumps(SMALLEST), {**BINARY, "ce_specversion": "0.3"}, "specversion"),
        (orjson.dumps({**ENVELOPE, "specversion": "2.0", "data": SMALLEST}), {}, "specversion"),
        (orjson.dumps({**ENVELOPE, "data_base64": "***"}), {}, "data_base64"),
        (json.dumps(SMALLEST).encode("utf-16"), BINARY, "UTF-16"),
        (orjson.dumps([SMALLEST]), BINARY, "not an object"),
        (b"", BINARY, "is empty"),
    ],
)
def test_a_reason_names_the_likely_cause(value: bytes, headers: Mapping[str, str | bytes], cause: str) -> None:
    with pytest.raises(UnreadableRecord, match=cause):
        received(value, headers)


def test_one_place_is_one_segment_however_it_is_written() -> None:
    composed = asked(received(orjson.dumps(customer(country="BR", region="São Paulo"))))
    decomposed = asked(received(json.dumps(customer(country="br", region=" Sa\u0303o Paulo ")).encode()))
    assert segments(composed)["region"] == segments(decomposed)["region"] == "São Paulo"
    assert segments(composed)["country"] == segments(decomposed)["country"] == "BR"


def test_what_is_not_said_leaves_what_was_said_before() -> None:
    batch = asked(received(orjson.dumps(customer(name="Ana", tier="gold"))))
    silent = received(orjson.dumps({**customer(name=" ", tier=""), "occurred_at": "2026-11-01T10:00:00-03:00"}))
    assert isinstance(silent.body, OrderEvent)
    (event,) = incoming([(silent, silent.body)], GUESTS)
    batch.fold(event)
    (known,) = batch.customers.values()
    assert (known.detail("name"), known.detail("tier")) == ("Ana", "gold")


# Bodies that shops' own webhooks have, field by field as a backend would copy them ------------------------------------

PAYLOADS = Path(__file__).parents[5] / "shared" / "data" / "payloads"
needs_payloads = pytest.mark.skipif(not PAYLOADS.is_dir(), reason=f"{PAYLOADS} is not on this machine")


def from_shopify(body: dict[str, Any]) -> dict[str, Any]:
    person, address = body["customer"], body["customer"]["default_address"]
    return {
        "order_id": str(body["id"]),
        "occurred_at": body["created_at"],
        "customer": {
            "id": str(person["id"]),
            "email": body["email"],
            "phone": body["phone"],
            "name": person["first_name"],
            "locale": body["customer_locale"],
            "country": address["country_code"],
            "region": address["province"],
            "tier": person["note"],
            "first_order_at": person["created_at"],
        },
        "total": {"amount": body["total_price"], "currency": body["currency"]},
        "items": [
            {key: line.get(key) for key in ("sku", "name", "quantity", "price")}
            | {"category": line.get("product_type")}
            for line in body["line_items"]
        ],
        "channel": body["source_name"],
        "attributes": {
            "tags": body["tags"],
            "note": body["note"],
            "test": body["test"],
            "discounts": body["discount_codes"],
        },
    }


def from_woocommerce(body: dict[str, Any]) -> dict[str, Any]:
    billing = body["billing"]
    return {
        "order_id": str(body["id"]),
        "occurred_at": body["date_created_gmt"] + "Z",
        # Everybody who orders without an account is customer 0 there.
        "customer": {"id": billing["email"], "email": billing["email"], "phone": billing["phone"]}
        | {"name": billing["first_name"], "country": billing["country"], "region": billing["state"]},
        "total": {"amount": body["total"], "currency": body["currency"]},
        "items": [
            {key: line.get(key) for key in ("sku", "name", "quantity", "price")} | {"category": line["tax_class"]}
            for line in body["line_items"]
        ],
        "promised_at": body["date_completed"],
        "channel": body["created_via"],
        "attributes": {entry["key"]: entry["value"] for entry in body["meta_data"]} | {"cart": body["cart_hash"]},
    }


def real_orders() -> list[tuple[str, dict[str, Any]]]:
    """The order bodies in the folder, by file; some files have several."""
    found = []
    for path in sorted(PAYLOADS.glob("shopify/orders__*.json")):
        body = json.loads(path.read_bytes())
        if "line_items" in body:
            found.append((path.name, from_shopify(body)))
    for path in sorted(PAYLOADS.glob("woocommerce/orders__*.json")):
        written = json.loads(path.read_bytes())
        bodies = written if isinstance(written, list) else [written] if "billing" in written else written["create"]
        found += [(path.name, from_woocommerce(body)) for body in bodies]
    return found


@needs_payloads
def test_real_orders_are_asked_about() -> None:
    orders_found = real_orders()
    assert len({name for name, _ in orders_found}) >= 10
    for name, body in orders_found:
        moment = datetime.fromisoformat(body["occurred_at"])
        message = received(json.dumps(body).encode())
        batch = asked(message, now=moment)
        assert segments(batch)["country"] == body["customer"]["country"], name
        (order,) = batch.orders.values()
        assert order.details["amount"][1] == body["total"]["amount"], name
        told = {(one.field, one.change) for one in message.adjustments}
        # Nothing that matters is lost: what is left out are lists and objects among the attributes.
        assert {change for field, change in told if field != "attributes"} <= {"converted"}, name
