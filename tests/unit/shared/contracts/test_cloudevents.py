"""What is published is strict; what is read is tolerant; nothing that cannot be stored gets in."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contracts import answers, orders, requests
from shared.contracts.cloudevents import UnreadableRecord, check_arrival, read, write
from shared.contracts.topics import ANSWERS, ORDERS, REQUESTS

MOMENT = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
BINARY = [("ce_specversion", b"1.0"), ("ce_id", b"e-1"), ("ce_source", b"/shop"), ("ce_type", b"order.placed")]
SMALLEST = {"order_id": "1", "occurred_at": "2026-11-01T09:30:00-03:00", "customer": {"id": "c-1"}}


def read_order(body: Any, headers: list[tuple[str, bytes]] = BINARY) -> orders.OrderEvent:
    message = read(ORDERS, partition=0, offset=0, key=b"c-1", value=orjson.dumps(body), headers=headers)
    assert isinstance(message.body, orders.OrderEvent)
    return message.body


def test_the_smallest_order_is_enough() -> None:
    order = read_order(SMALLEST)
    assert order.occurred_at == datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
    assert (order.order_id, order.customer.id, order.items, order.total) == ("1", "c-1", [], None)


def test_the_documented_order_is_read_whole() -> None:
    order = read_order(
        {
            "order_id": "1001",
            "occurred_at": "2026-11-01T09:30:00-03:00",
            "customer": {"id": "c-42", "email": "ana@example.com", "locale": "pt-BR", "country": "BR"},
            "total": {"amount": "159.90", "currency": "BRL"},
            "items": [{"sku": "s", "name": "n", "category": "toys", "quantity": 1, "price": "159.90"}],
            "promised_at": "2026-11-05T00:00:00Z",
            "shipment": {"id": "s-1", "of": 2},
            "channel": "web",
            "attributes": {"experiment": "B"},
        }
    )
    assert order.total is not None
    assert order.total.amount == Decimal("159.90")
    assert order.shipment == orders.Shipment(id="s-1", of=2)


def test_unknown_fields_are_passed_over_at_every_depth() -> None:
    order = read_order({**SMALLEST, "new": 1, "customer": {"id": "c-1", "new": {"deep": True}}})
    assert order.customer.id == "c-1"


def test_unknown_fields_are_refused_when_we_write() -> None:
    with pytest.raises(ValidationError, match="new"):
        orders.OrderEvent.model_validate({"order_id": "1", "occurred_at": MOMENT, "customer": {"id": "c"}, "new": 1})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"order_id": 1001}, "order_id: Input should be a valid string"),
        ({"order_id": ""}, "order_id: String should have at least 1 character"),
        ({"order_id": "a\x00b"}, "order_id: .*control character"),
        ({"order_id": "line\nbreak"}, "order_id: .*control character"),
        ({"occurred_at": "2026-11-01T09:30:00"}, "occurred_at: .*with an offset"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at: "),
        ({"customer": {}}, "customer.id: Field required"),
    ],
)
def test_a_broken_order_names_field_and_rule(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UnreadableRecord, match=complaint):
        read_order({**SMALLEST, **change})


def test_the_complaint_never_quotes_a_value() -> None:
    with pytest.raises(UnreadableRecord) as refused:
        read_order({**SMALLEST, "order_id": ["ana@example.com"], "customer": {"id": {"ana@example.com": 1}}})
    assert "ana@example.com" not in str(refused.value)


def test_nor_does_it_quote_a_type_that_is_none() -> None:
    for written, quoted in ((b"order.eaten", True), (b"ana@example.com", False), (b"for Ana", False)):
        headers = [*BINARY[:-1], ("ce_type", written)]
        with pytest.raises(UnreadableRecord, match="does not belong in orders") as refused:
            read(ORDERS, partition=0, offset=0, key=None, value=b"{}", headers=headers)
        assert (written.decode() in str(refused.value)) is quoted


def test_nor_does_it_quote_a_name_the_sender_chose() -> None:
    body = {
        "answer_id": "a-1",
        "revision": 1,
        "score": 9,
        "answered_at": "2026-11-01T09:30:00Z",
        "received_at": "2026-11-01T09:30:00Z",
    }
    value = orjson.dumps({**body, "segments": {"ana@example.com": 1}})
    headers = [*BINARY[:-1], ("ce_type", b"answer.recorded")]
    with pytest.raises(UnreadableRecord, match=r"^segments\.\*"):
        read(ANSWERS, partition=0, offset=0, key=None, value=value, headers=headers)


TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (TRACE, TRACE),
        (b"cc" + TRACE[2:] + b"-more", b"cc" + TRACE[2:]),
        (TRACE + b"-more", None),
        (b"ff" + TRACE[2:], None),
        (TRACE.upper(), None),
        (b"00-" + b"0" * 32 + TRACE[35:], None),
        (TRACE[:36] + b"0" * 16 + TRACE[52:], None),
        (b"Ana Silva, ana@example.com", None),
        (b"\x00" * 55, None),
        (None, None),
    ],
)
def test_only_a_traceparent_is_passed_on(written: bytes | None, read_as: bytes | None) -> None:
    value = orjson.dumps(SMALLEST)
    message = read(ORDERS, partition=0, offset=0, key=None, value=value, headers=[*BINARY, ("traceparent", written)])
    assert message.traceparent == (None if read_as is None else read_as.decode())


def test_structured_mode_is_read_too() -> None:
    envelope = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed", "data": SMALLEST}
    for content_type in (b"application/cloudevents+json; charset=utf-8", b"Application/CloudEvents+JSON"):
        assert read_order(envelope, [("content-type", content_type)]).order_id == "1"


ENVELOPE = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed"}


@pytest.mark.parametrize("unstorable", [b"a\x00b", b"\x00", b"", b"a" * 501])
@pytest.mark.parametrize("name", ["id", "source"])
def test_an_event_whose_identity_cannot_be_stored_is_refused(name: str, unstorable: bytes) -> None:
    headers = [(header, unstorable if header == f"ce_{name}" else content) for header, content in BINARY]
    with pytest.raises(UnreadableRecord, match=name):
        read_order(SMALLEST, headers)
    with pytest.raises(UnreadableRecord, match=name):
        read_order({**ENVELOPE, name: unstorable.decode(), "data": SMALLEST}, [])


@pytest.mark.parametrize("levels", [100, 250, 300, 900, 1_000, 1_020, 5_000, 100_000])
def test_no_depth_breaks_the_reader(levels: int) -> None:
    nested = "[" * levels + "]" * levels
    structured = orjson.dumps({**ENVELOPE, "data": {**SMALLEST, "more": "nested"}})
    binary = orjson.dumps({**SMALLEST, "more": "nested"})
    for value, headers in ((structured, []), (binary, BINARY)):
        with contextlib.suppress(UnreadableRecord):
            deep = value.replace(b'"nested"', nested.encode())
            read(ORDERS, partition=0, offset=0, key=None, value=deep, headers=headers)


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=200)
labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(
    answer_id=labels,
    score=st.integers(0, 10),
    comment=st.none() | texts,
    segments=st.dictionaries(labels, labels | st.lists(labels, min_size=1, max_size=5), max_size=5),
    at=st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=offsets),
)
def test_what_is_written_is_read_back(
    answer_id: str, score: int, comment: str | None, segments: dict[str, Any], at: datetime
) -> None:
    answer = answers.Answer(
        answer_id=answer_id,
        revision=1,
        score=score,
        answered_at=at,
        received_at=at,
        comment=comment,
        segments=segments,
    )
    headers, value = write(answers.event(answer), "/hearback/test")
    message = read(ANSWERS, partition=3, offset=7, key=answer_id.encode(), value=value, headers=headers)
    assert message.body == answer
    assert (message.time, message.type, message.source) == (at, answers.RECORDED, "/hearback/test")


@given(
    value=st.binary(max_size=200),
    headers=st.lists(
        st.tuples(
            st.sampled_from([n for n, _ in BINARY] + ["content-type", "ce_time", "traceparent"]), st.binary(max_size=40)
        ),
        max_size=6,
    ),
)
def test_no_bytes_break_the_reader(value: bytes, headers: list[tuple[str, bytes]]) -> None:
    for topic in (ORDERS, ANSWERS):
        with pytest.raises(UnreadableRecord):
            read(topic, partition=0, offset=0, key=None, value=value, headers=headers)


SKEW = timedelta(minutes=15)


@pytest.mark.parametrize("ahead", [timedelta(days=-400), timedelta(0), SKEW])
def test_an_order_event_may_lie_a_little_ahead_of_its_arrival(ahead: timedelta) -> None:
    body = read_order({**SMALLEST, "occurred_at": (MOMENT + ahead).isoformat()})
    check_arrival(ORDERS, body, arrived_at=MOMENT, skew=SKEW)


@pytest.mark.parametrize(
    ("ahead", "told"), [(SKEW + timedelta(minutes=1), "16 minutes"), (timedelta(days=26_600), "38,304,000 minutes")]
)
def test_one_further_ahead_is_refused_with_how_far(ahead: timedelta, told: str) -> None:
    body = read_order({**SMALLEST, "occurred_at": (MOMENT + ahead).isoformat()})
    with pytest.raises(UnreadableRecord, match=f"^occurred_at: is {told} after the event arrived; check the clock"):
        check_arrival(ORDERS, body, arrived_at=MOMENT, skew=SKEW)


def test_what_is_meant_to_lie_ahead_may() -> None:
    request = requests.SurveyRequested(
        request_id="r-1",
        customer_id="c-1",
        campaign="service-nps",
        requested_by="inbox",
        requested_at=MOMENT + 2 * SKEW,
        not_before=MOMENT + timedelta(days=30),
    )
    check_arrival(REQUESTS, request, arrived_at=MOMENT, skew=SKEW)
