"""A narrow reader and its contract accept the same and give the same; the usual case needs no contract."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, model_validator

from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.deliveries import Delivery
from shared.contracts.narrow import Read, narrow_reader
from shared.contracts.orders import OrderEvent
from shared.contracts.sends import SurveySent
from shared.contracts.types import Contract

NOW = "2026-11-01T09:30:00.5+00:00"
ANSWER: dict[str, Any] = {
    "answer_id": "a-1",
    "revision": 1,
    "score": 9,
    "answered_at": "2026-11-01T09:30:00-03:00",
    "received_at": "2026-11-01T12:30:00.123456Z",
    "channel": "email",
    "send_id": "s-1",
    "customer_id": "c-1",
    "order_id": None,
    "campaign": "service-nps",
    "campaign_version": 3,
    "comment": "Fine",
    "further_answers": {"Why?": "Because."},
    "segments": {"country": "BR", "category": ["toys", "books"]},
    "locale": "pt-BR",
}
SENT: dict[str, Any] = {
    "send_id": "s-1",
    "campaign": "service-nps",
    "campaign_version": 1,
    "channel": "email",
    "locale": "en",
    "customer_id": "c-1",
    "recipient": {"address": "ana@example.com", "name": "Ana"},
    "segments": {"country": "BR"},
    "answer_url": "https://example.com/s/1",
    "unsubscribe_url": "https://example.com/unsubscribe/1",
    "due_at": NOW,
    "sent_at": NOW,
    "expires_at": NOW,
}
DELIVERY: dict[str, Any] = {"send_id": "s-1", "channel": "email", "provider": "smtp", "occurred_at": NOW}
ERASED: dict[str, Any] = {
    "answer_id": "a-1",
    "revision": 2,
    "erased_at": NOW,
    "counted": {
        "group": "passive",
        "day": "2026-11-01",
        "campaign": None,
        "surveyed": True,
        "segments": {"tier": "gold"},
    },
}
ORDER: dict[str, Any] = {
    "order_id": "1001",
    "occurred_at": "2026-11-01T09:30:00-03:00",
    "customer": {
        "id": "c-42",
        "email": "ana@example.com",
        "name": "Ana",
        "locale": "pt-BR",
        "country": "br",
        "region": "SP",
        "first_order_at": "2025-11-01T09:30:00Z",
    },
    "total": {"amount": "159.90", "currency": "BRL"},
    "items": [{"sku": "s", "name": "n", "category": "toys", "quantity": 1, "price": "159.90"}],
    "promised_at": "2026-11-05T00:00:00Z",
    "shipment": {"id": "s-1", "of": 2},
    "channel": "web",
    "attributes": {"experiment": "B"},
}
EXAMPLES: list[tuple[type[Contract], dict[str, Any]]] = [
    (Answer, ANSWER),
    (AnswerErased, ERASED),
    (SurveySent, SENT),
    (Delivery, DELIVERY),
    (OrderEvent, ORDER),
]


def reader(model: type[Contract]) -> Read:
    read = narrow_reader(model)
    assert read is not None
    return read


READERS = {model: reader(model) for model, _ in EXAMPLES}


def read_by_contract(model: type[Contract], value: bytes) -> Contract | None:
    try:
        return model.model_validate_json(value, extra="ignore")
    except ValidationError:
        return None


def assert_the_same(model: type[Contract], value: bytes) -> None:
    narrowly = READERS[model](value)
    if narrowly is not None:
        by_contract = read_by_contract(model, value)
        assert by_contract is not None
        assert narrowly == by_contract
        assert narrowly.model_fields_set == by_contract.model_fields_set
        assert list(vars(narrowly)) == list(vars(by_contract))
        assert narrowly.model_dump_json() == by_contract.model_dump_json()


@pytest.mark.parametrize(("model", "body"), EXAMPLES)
def test_what_our_services_write_is_read_narrowly(model: type[Contract], body: dict[str, Any]) -> None:
    required = {name: body[name] for name, field in model.model_fields.items() if field.is_required()}
    for said in (body, required):
        written = model.model_validate_json(orjson.dumps(said))
        value = written.model_dump_json(exclude_none=True).encode()
        assert READERS[model](value) == written
        assert_the_same(model, value)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"comment": "Não tenho do que reclamar. 🙁"}, None),
        ({"segments": {"região": "São Paulo", "Category": ["brinquedos", "café"]}}, None),
        ({"segments": {"regia\u0303o": "Sa\u0303o Paulo"}}, {"segments": {"região": "São Paulo"}}),
        ({"answer_id": "número 1"}, None),
    ],
)
def test_so_is_what_people_write(said: dict[str, Any], read: dict[str, Any] | None) -> None:
    found = READERS[Answer](orjson.dumps({**ANSWER, **said}))
    assert found is not None
    assert {name: getattr(found, name) for name in said} == (read or said)


def test_what_is_read_behaves_like_the_contract() -> None:
    value = orjson.dumps(SENT)
    narrowly, by_contract = READERS[SurveySent](value), SurveySent.model_validate_json(value)
    assert isinstance(narrowly, SurveySent)
    with pytest.raises(ValidationError, match="frozen"):
        narrowly.campaign = "other"  # type: ignore[misc]
    assert repr(narrowly) == repr(by_contract)
    assert narrowly.model_copy(update={"locale": "no"}) == by_contract.model_copy(update={"locale": "no"})
    assert narrowly.sent_at == datetime(2026, 11, 1, 9, 30, 0, 500_000, tzinfo=UTC)


def test_a_field_of_a_newer_release_is_passed_over() -> None:
    assert READERS[Answer](orjson.dumps({**ANSWER, "mood": 1})) == READERS[Answer](orjson.dumps(ANSWER))


@pytest.mark.parametrize(
    "said", [{"score": 11}, {"comment": "Two\nlines"}, {"answer_id": "a\x7f"}, {"received_at": "now"}]
)
def test_what_is_odd_is_for_the_contract(said: dict[str, Any]) -> None:
    assert READERS[Answer](orjson.dumps({**ANSWER, **said})) is None


class Pair(Contract):
    first: int

    @model_validator(mode="after")
    def check(self) -> "Pair":
        raise ValueError("never right")


def test_a_contract_that_does_more_than_validate_fields_has_no_narrow_reader() -> None:
    assert narrow_reader(Pair) is None


ORDERS_IN_WORDS: list[dict[str, Any]] = [
    {"order_id": ""},
    {"order_id": " "},
    {"order_id": " 1001 "},
    {"order_id": "1" * 200},
    {"order_id": "1" * 201},
    {"channel": " web "},
    {"channel": " "},
    {"channel": "\u00a0"},
    {"channel": "web  site"},
    {"channel": "w" * 98},
    {"channel": "w" * 99},
    {"channel": " " + "w" * 99},
    {"channel": " " + "w" * 99 + " "},
    {"channel": "w" * 100},
    {"attributes": {" ": "x"}},
    {"attributes": {" a ": " x "}},
    {"attributes": {"a": " "}},
    {"customer": {"id": " "}},
    {"customer": {"id": "c-1", "country": "Brazil"}},
    {"customer": {"id": "c-1", "country": " no "}},
    {"customer": {"id": "c-1", "country": "br  "}},
    {"customer": {"id": "c-1", "name": "João"}},
    {"customer": {"id": "c-1", "mood": 1, "first_order_at": "2025-11-01 09:30"}},
    {"total": {"amount": "1e3", "currency": "brl"}},
    {"total": {"amount": "159.90\n", "currency": "BRL"}},
    {"total": {"amount": "123456789012345.6789", "currency": "BRL"}},
    {"total": {"amount": "1234567890123456", "currency": "BRL"}},
    {"total": {"amount": "0.00000", "currency": "BRL"}},
    {"total": {"amount": "-0", "currency": "BRL"}},
    {"total": {"amount": "٣", "currency": "BRL"}},
    {"total": {"amount": 1, "currency": "BRL"}},
]


@pytest.mark.parametrize("said", ORDERS_IN_WORDS)
def test_what_shops_write_is_read_like_the_contract(said: dict[str, Any]) -> None:
    assert_the_same(OrderEvent, orjson.dumps({**ORDER, **said}))


@pytest.mark.parametrize(
    "said", [{"channel": " web "}, {"channel": "w" * 98}, {"customer": {"id": "c-1", "name": "João", "country": "br"}}]
)
def test_a_usual_order_needs_no_contract(said: dict[str, Any]) -> None:
    assert READERS[OrderEvent](orjson.dumps({**ORDER, **said})) is not None


# What is near what a contract accepts, on either side of it.
texts = st.one_of(
    st.text(max_size=8),
    st.text(st.sampled_from('aé\u0303\\"\n\t\x00\x1f\x7f\u2028\ufeff🙁 '), max_size=6),
    st.sampled_from([1, 100, 101, 200, 201, 500, 501, 5_000, 5_001]).flatmap(
        lambda length: st.sampled_from(["a", "é", "e\u0301", "🙁", "\ufb2c"]).map(lambda one: (one * length)[:length])
    ),
)
moments = st.one_of(
    st.sampled_from(
        [
            "2026-11-01T09:30:00Z",
            "2026-11-01 09:30:00+03:00",
            "2026-11-01T09:30Z",
            "2026-11-01T09:30:00.1234567891Z",
            "2026-11-01T09:30:00,5+0300",
            "2026-11-01T09:30:00",
            " 2026-11-01T09:30:00z ",
            "2026-11-01t09:30:00Z",
            "2026-02-31T09:30:00Z",
            "2026-11-01T24:00:00Z",
            "2026-11-01T23:59:60Z",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00+00:01",
            "2200-01-01T00:00:00Z",
            "2026-11-01T09:30:00+24:00",
            "2026-W44-7T09:30:00Z",
            "20261101T093000Z",
            "1793525400",
        ]
    ),
    st.datetimes(datetime(1960, 1, 1), datetime(2210, 1, 1)).map(lambda at: at.isoformat() + "Z"),
)
numbers = st.one_of(
    st.integers(-2, 12),
    st.floats(allow_nan=True),
    st.sampled_from([9.0, -0.0, 1e2, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**400]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts, moments),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
segments = st.dictionaries(texts, texts | st.lists(texts, max_size=22), max_size=42)
amounts = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.from_regex(r"-?[0-9]{0,17}(\.[0-9]{0,6})?", fullmatch=True),
    texts,
)


@st.composite
def changed_within(draw: st.DrawFn, body: Any, *, whole: bool = True) -> Any:
    """``body`` with something else in it, at any depth."""
    if isinstance(body, dict) and body and (whole or draw(st.booleans())):
        name = draw(st.sampled_from([*body, "unknown"]))
        changed = {**body, name: draw(changed_within(body.get(name), whole=False))}
        return {key: value for key, value in changed.items() if key != name or value is not None}
    if isinstance(body, list) and body and draw(st.booleans()):
        return [*body[:-1], draw(changed_within(body[-1], whole=False))]
    return draw(values | amounts | segments)


@given(data=st.data(), ascii_only=st.booleans())
def test_both_accept_the_same_and_give_the_same(data: st.DataObject, ascii_only: bool) -> None:
    model, body = data.draw(st.sampled_from(EXAMPLES))
    names = st.sampled_from([*model.model_fields, "unknown"])
    changed = {**body, **data.draw(st.dictionaries(names, values | segments, min_size=1, max_size=3))}
    for name in data.draw(st.lists(names, max_size=2)):
        changed.pop(name, None)
    assert_the_same(model, json.dumps(changed, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@given(data=st.data(), ascii_only=st.booleans())
def test_so_they_do_within_what_is_in_a_body(data: st.DataObject, ascii_only: bool) -> None:
    model, body = data.draw(st.sampled_from(EXAMPLES))
    for _ in range(data.draw(st.integers(1, 3))):
        body = data.draw(changed_within(body))
    assert_the_same(model, json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


ODD_BYTES = [
    *(
        b"",
        b"\\u0000",
        b"\\ud800",
        b"\\ud83d\\ude41",
        b"\xff",
        b"\xed\xa0\x80",
        b"\x1f",
        b"\n",
        b"0",
        b"1.0",
        b"-",
        b"e0",
    ),
    *(b",", b'"', b"\\", b"{}", b"null", b"\x7f", "é".encode(), b"\xef\xbb\xbf", b"/**/", b"NaN"),
]


@given(data=st.data())
def test_both_read_the_same_bytes(data: st.DataObject) -> None:
    """Bytes are put into, taken out of and repeated in what is valid, so that it may no longer be JSON."""
    model, body = data.draw(st.sampled_from(EXAMPLES))
    value = bytearray(json.dumps(body, indent=data.draw(st.sampled_from([None, 1]))).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(value)))
        more = data.draw(st.sampled_from(ODD_BYTES))
        value[at : at + data.draw(st.integers(0, 2))] = more
    assert_the_same(model, bytes(value))


@pytest.mark.parametrize(
    "more",
    [
        *('"score":3', '"score":99', '"score":9.0', '"score":1e0', '"score":-0', '"score":09'),
        *('"segments":{"a":"b","a":"c"}', '"segments":{"a":"b","c":"d","a":"e"}', '"answer\\u005fid":"b"'),
        '"further_answers":{' + ",".join(['"a":"b"'] * 21) + "}",
        '"segments":{' + ",".join(['"a":"b"'] * 41) + "}",
        *('"campaign_version":9223372036854775808', '"campaign_version":-1', '"campaign_version":1e400'),
        *('"comment":"\\u0001"', '"channel":null', '"channel":"fax"', '"locale":"e\\u0301"'),
    ],
)
def test_both_read_what_is_said_twice_or_oddly(more: str) -> None:
    assert_the_same(Answer, orjson.dumps(ANSWER)[:-1] + b"," + more.encode() + b"}")
