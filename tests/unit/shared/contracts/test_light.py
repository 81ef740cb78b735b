"""What is read lightly is what the contract reads, and everything else is checked as the contract does."""

import json
from datetime import datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.answers import RECORDED, Answer, AnswerErased, event
from shared.contracts.cloudevents import Readers, UnreadableRecord, read, write
from shared.contracts.light import Light, light_reader
from shared.contracts.topics import ANSWERS
from shared.contracts.types import Contract, SegmentValue
from tests.unit.shared.contracts.test_narrow import ANSWER, ODD_BYTES, Pair, read_by_contract, segments, values


class Whole(Light):
    answer_id: str
    revision: int
    score: int
    answered_at: datetime
    received_at: datetime
    channel: str
    send_id: str | None
    customer_id: str | None
    order_id: str | None
    campaign: str | None
    campaign_version: int | None
    comment: str | None
    further_answers: dict[str, str]
    segments: dict[str, SegmentValue]
    locale: str | None


class Few(Light):
    revision: int
    segments: dict[str, SegmentValue]


read_whole, read_few = light_reader(Answer, Whole), light_reader(Answer, Few)


def assert_the_same(value: bytes) -> None:
    found, few = read_whole(value), read_few(value)
    assert (found is None) == (few is None), "what is not wanted is checked all the same"
    if found is not None and few is not None:
        by_contract = read_by_contract(Answer, value)
        assert by_contract is not None
        assert {name: getattr(found, name) for name in Answer.model_fields} == by_contract.model_dump()
        assert (few.revision, few.segments) == (found.revision, found.segments)


def test_what_our_services_write_is_read_lightly() -> None:
    required = {name: ANSWER[name] for name, field in Answer.model_fields.items() if field.is_required()}
    for said in (ANSWER, required):
        value = Answer.model_validate_json(orjson.dumps(said)).model_dump_json(exclude_none=True).encode()
        assert read_whole(value) is not None
        assert_the_same(value)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"comment": 'Não tenho do que "reclamar".\n🙁'}, None),
        ({"segments": {"região": "São Paulo", "Category": ["brinquedos", "café"]}}, None),
        ({"segments": {"regia\u0303o": "Sa\u0303o Paulo"}}, {"segments": {"região": "São Paulo"}}),
        ({"answer_id": "número 1"}, None),
    ],
)
def test_so_is_what_people_write(said: dict[str, Any], read: dict[str, Any] | None) -> None:
    found = read_whole(orjson.dumps({**ANSWER, **said}))
    assert found is not None
    assert {name: getattr(found, name) for name in said} == (read or said)


@pytest.mark.parametrize(
    "said",
    [
        *({"score": 11}, {"score": 9.0}, {"answer_id": "a\x7f"}, {"customer_id": "c" * 201}, {"order_id": "\n"}),
        *({"received_at": "now"}, {"answered_at": 1793525400}, {"channel": "fax"}, {"locale": ""}),
        *({"segments": {"a": []}}, {"further_answers": {"a": "\x00"}}, {"comment": "c" * 5_001}),
    ],
)
def test_what_is_odd_is_for_the_contract(said: dict[str, Any]) -> None:
    assert read_few(orjson.dumps({**ANSWER, **said})) is None


def test_a_contract_of_other_kinds_of_fields_is_not_read_lightly() -> None:
    for model, into in ((Pair, Few), (AnswerErased, Few)):
        with pytest.raises(TypeError):
            light_reader(model, into)


def test_only_fields_of_the_contract_can_be_wanted() -> None:
    class Other(Light):
        mood: str

    with pytest.raises(TypeError, match="mood"):
        light_reader(Answer, Other)


@given(data=st.data(), ascii_only=st.booleans())
def test_both_accept_the_same_and_give_the_same(data: st.DataObject, ascii_only: bool) -> None:
    names = st.sampled_from([*Answer.model_fields, "unknown"])
    changed = {**ANSWER, **data.draw(st.dictionaries(names, values | segments, min_size=1, max_size=3))}
    for name in data.draw(st.lists(names, max_size=2)):
        changed.pop(name, None)
    assert_the_same(json.dumps(changed, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@given(data=st.data())
def test_both_read_the_same_bytes(data: st.DataObject) -> None:
    """Bytes are put into, taken out of and repeated in what is valid, so that it may no longer be JSON."""
    value = bytearray(json.dumps(ANSWER, indent=data.draw(st.sampled_from([None, 1]))).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(value)))
        more = data.draw(st.sampled_from(ODD_BYTES))
        value[at : at + data.draw(st.integers(0, 2))] = more
    assert_the_same(bytes(value))


@pytest.mark.parametrize(
    "more",
    [
        *('"score":3', '"score":99', '"score":9.0', '"score":1e0', '"score":-0', '"score":09'),
        *('"segments":{"a":"b","a":"c"}', '"segments":{"a":"b","c":"d","a":"e"}', '"answer\\u005fid":"b"'),
        '"further_answers":{' + ",".join(['"a":"b"'] * 21) + "}",
        '"segments":{' + ",".join(['"a":"b"'] * 41) + "}",
        *('"campaign_version":9223372036854775808', '"campaign_version":-1', '"campaign_version":1e400'),
        *('"comment":"\\u0001"', '"channel":null', '"channel":"fax"', '"locale":"e\\u0301"'),
        *('"unknown":1e400', '"unknown":-', '"unknown":"\\ud800"', '"unknown":"\\ud83d\\ude41"', '"unknown":1.'),
        *('"unknown":' + "[" * deep + "]" * deep for deep in (99, 300)),
        *('"unknown":' + '{"a":' * deep + "1" + "}" * deep for deep in (99, 300)),
    ],
)
def test_both_read_what_is_said_twice_or_oddly(more: str) -> None:
    assert_the_same(orjson.dumps(ANSWER)[:-1] + b"," + more.encode() + b"}")
    assert_the_same(b"{" + more.encode() + b"," + orjson.dumps(ANSWER)[1:])


@pytest.mark.parametrize("missing", [name for name, field in Answer.model_fields.items() if field.is_required()])
def test_a_field_said_twice_makes_up_for_no_other(missing: str) -> None:
    value = orjson.dumps({name: said for name, said in ANSWER.items() if name != missing})
    for name, said in {"answer_id": "b", "revision": 1, "score": 1, "answered_at": ANSWER["answered_at"]}.items():
        if name != missing:
            assert read_whole(value[:-1] + b"," + orjson.dumps({name: said})[1:]) is None


def test_what_a_consumer_reads_lightly_falls_back_to_its_contract() -> None:
    readers: Readers = {RECORDED: read_few}

    def body_of(said: dict[str, Any]) -> Contract | Light:
        headers, _ = write(event(Answer.model_validate_json(orjson.dumps(ANSWER))), "/test")
        return read(
            ANSWERS, partition=0, offset=0, key=None, value=orjson.dumps(said), headers=headers, readers=readers
        ).body

    assert isinstance(body_of(ANSWER), Few)
    assert isinstance(body_of({**ANSWER, "received_at": "2026-11-01 12:30:00+00"}), Few)
    with pytest.raises(UnreadableRecord, match="customer_id"):
        body_of({**ANSWER, "customer_id": "c" * 201})


def test_what_cannot_be_read_lightly_is_read_whole() -> None:
    deep = {**ANSWER, "unknown": json.loads("[" * 150 + "]" * 150), "further": json.loads("[" * 60 + "]" * 60)}
    headers, _ = write(event(Answer.model_validate_json(orjson.dumps(ANSWER))), "/test")
    value = json.dumps(deep).encode()
    message = read(ANSWERS, partition=0, offset=0, key=None, value=value, headers=headers, readers={RECORDED: read_few})
    assert isinstance(message.body, Answer)
