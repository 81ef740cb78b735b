"""The audit has its own decoder: whatever a shop sends, it must see the same order in it as the services do."""

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.contracts.cloudevents import UnreadableRecord, read
from shared.contracts.orders import OrderEvent
from shared.contracts.topics import ORDERS
from tests.kit.shop_orders import LONE_SURROGATE, SMALLEST, odd_orders
from tools.audit.facts import TopicFacts
from tools.audit.from_topics import read_record, reader_for
from tools.audit.records import Record

BINARY = {"ce_specversion": "1.0", "ce_id": "e-1", "ce_source": "/shop", "ce_type": "order.placed"}
ENVELOPE = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed"}
JSON = json.dumps(SMALLEST).encode()
DEEP = "[" * 1_000 + "]" * 1_000


def seen_by_the_audit(value: bytes, headers: dict[str, str]) -> tuple[object, ...] | None:
    facts = TopicFacts()
    written = [(name, content.encode()) for name, content in headers.items()]
    record = Record(topic="orders", partition=0, offset=0, key=None, value=value, headers=written)
    read_record(facts, record, reader_for("orders"))
    if not facts.orders:
        return None
    (event,) = facts.orders
    decides = event.occurred_at, event.promised_at, event.shipment, event.total
    return event.identity, event.type, event.order_id, event.customer_id, *decides


def seen_by_the_services(value: bytes, headers: dict[str, str]) -> tuple[object, ...] | None:
    written = [(name, content.encode()) for name, content in headers.items()]
    try:
        message = read(ORDERS, partition=0, offset=0, key=None, value=value, headers=written)
    except UnreadableRecord:
        return None
    body = message.body
    assert isinstance(body, OrderEvent)
    shipment = None if body.shipment is None else (body.shipment.id, body.shipment.of)
    identity = message.source, message.event_id
    total = None if body.total is None else (body.total.amount, body.total.currency)
    decides = body.occurred_at, body.promised_at, shipment, total
    return identity, message.type, body.order_id, body.customer.id, *decides


@given(odd_orders())
@example({**SMALLEST, "promised_at": "0001-01-01"})
@example({**SMALLEST, "promised_at": "2200-01-01T00:00:00Z"})
def test_in_whatever_the_optional_fields_hold(body: dict[str, Any]) -> None:
    value = json.dumps(body).encode()
    assert seen_by_the_audit(value, BINARY) == seen_by_the_services(value, BINARY) != None  # noqa: E711


written_amounts = st.from_regex(r"-?[0-9]{1,4}([., '][0-9]{1,4}){0,3}", fullmatch=True)


@given(written_amounts | st.floats() | st.integers() | st.text("0123456789.,-e+ ", max_size=8))
def test_in_what_an_order_costs(amount: object) -> None:
    value = json.dumps({**SMALLEST, "total": {"amount": amount, "currency": "brl"}}).encode()
    assert seen_by_the_audit(value, BINARY) == seen_by_the_services(value, BINARY)


@pytest.mark.parametrize(
    "more",
    [
        {"promised_at": "2026-11-05"},
        {"promised_at": "2026-11-05 12:00"},
        {"promised_at": "2026-11-05t12:00:00z"},
        {"promised_at": " 2026-11-05T12:00:00.5+01:00"},
        {"promised_at": "20261105"},
        {"promised_at": "2026-13-05"},
        {"shipment": "s-1"},
        {"shipment": {"id": 7, "of": "2"}},
        {"shipment": {"id": "s-1", "of": 1.5}},
        {"shipment": {"of": 2}},
        {"occurred_at": "2026-11-01 09:30+0300"},
        {"order_id": 1},
        {"order_id": " "},
        {"order_id": LONE_SURROGATE},
        {"customer": {"id": ""}},
        {"occurred_at": "soon"},
    ],
    ids=str,
)
def test_in_what_decides_when_to_ask(more: dict[str, Any]) -> None:
    value = json.dumps({**SMALLEST, **more}).encode()
    assert seen_by_the_audit(value, BINARY) == seen_by_the_services(value, BINARY)


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (b"\xef\xbb\xbf" + JSON, BINARY),
        (JSON, {**BINARY, "Content-Type": "application/json; charset=utf-8"}),
        (JSON, {**BINARY, "content-type": "application/octet-stream"}),
        (JSON, {**BINARY, "content-type": "application/avro"}),
        (JSON, {**BINARY, "ce_specversion": "0.3"}),
        (JSON, {}),
        (json.dumps({**ENVELOPE, "data": SMALLEST}).encode(), {}),
        (json.dumps({**ENVELOPE, "data": SMALLEST}).encode(), {"Content-Type": "application/cloudevents+json"}),
        (json.dumps({**ENVELOPE, "data": json.dumps(SMALLEST)}).encode(), {"content-type": "application/json"}),
        (json.dumps({**ENVELOPE, "data_base64": base64.b64encode(JSON).decode()}).encode(), {}),
        (json.dumps({**ENVELOPE, "data_base64": "*"}).encode(), {}),
        (json.dumps({**ENVELOPE, "specversion": "2.0", "data": SMALLEST}).encode(), {}),
        (json.dumps(json.dumps(SMALLEST)).encode(), BINARY),
        (b"\x00\x00\x00\x00\x01" + JSON, BINARY),
        (JSON, {**BINARY, "ce_id": "a\x00b"}),
        (JSON, {**BINARY, "ce_source": ""}),
        (json.dumps({**ENVELOPE, "id": "a\x00b", "data": SMALLEST}).encode(), {}),
        (json.dumps({**ENVELOPE, "source": "a" * 501, "data": SMALLEST}).encode(), {}),
        (json.dumps({**SMALLEST, "more": "deep"}).replace('"deep"', DEEP).encode(), BINARY),
    ],
)
def test_in_however_the_record_is_made(value: bytes, headers: dict[str, str]) -> None:
    assert seen_by_the_audit(value, headers) == seen_by_the_services(value, headers)
