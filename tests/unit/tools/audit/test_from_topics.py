"""How the audit reads records: whatever is not a valid event is recorded as unreadable, and reading goes on."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tools.audit.facts import TopicFacts
from tools.audit.from_topics import answer_state, read_facts, read_record, reader_for
from tools.audit.records import Offsets, Record, event_of

ORDER = {"order_id": "o1", "customer": {"id": "c1"}, "occurred_at": "2026-03-10T12:00:00+00:00"}


def record(topic: str, body: object, **headers: str) -> Record:
    all_headers = {"ce_source": "/shop", "ce_id": "1", "ce_type": "order.placed", **headers}
    value = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    return Record(
        topic=topic,
        partition=0,
        offset=7,
        key=b"key",
        value=value,
        headers=[(name, text.encode()) for name, text in all_headers.items()],
    )


def read(topic: str, body: object, **headers: str) -> TopicFacts:
    facts = TopicFacts()
    read_record(facts, record(topic, body, **headers), reader_for(topic))
    return facts


def test_an_order_event_is_read() -> None:
    facts = read("orders", ORDER)
    assert [(event.order_id, event.customer_id, event.type) for event in facts.orders] == [("o1", "c1", "order.placed")]
    assert facts.unreadable == set()


def test_an_event_that_clients_cannot_unpack_is_unreadable_though_its_body_is_not() -> None:
    facts = TopicFacts()
    read_record(facts, replace(record("orders", ORDER), damaged=True), reader_for("orders"))
    assert facts.unreadable == {("orders", 0, 7)} and not facts.orders


def test_the_last_of_duplicate_headers_counts_and_one_without_a_value_does_not() -> None:
    original = record("orders", ORDER)
    repeated = replace(original, headers=[*original.headers, ("ce_id", b"2"), ("baggage", None)])
    event = event_of(repeated)
    assert event is not None and event.identity == ("/shop", "2")
    assert event_of(replace(repeated, headers=[("ce_id", None)])) is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"not JSON",
        [],
        {},
        {**ORDER, "occurred_at": "yesterday"},
        {**ORDER, "occurred_at": "2026-03-10T12:00:00"},
        {**ORDER, "customer": "c1"},
        {**ORDER, "order_id": " "},
    ],
    ids=str,
)
def test_anything_but_an_order_event_is_unreadable(body: object) -> None:
    facts = read("orders", body)
    assert facts.unreadable == {("orders", 0, 7)}
    assert facts.orders == []


@pytest.mark.parametrize(
    ("topic", "event_type"),
    [
        ("surveys.requests", "survey.requested"),
        ("surveys.sends", "survey.sent"),
        ("surveys.deliveries", "delivery.accepted"),
        ("surveys.answers", "answer.recorded"),
        ("surveys.answers", "answer.erased"),
        ("nps.scores", "score.updated"),
        ("customers.preferences", "preference.erased"),
        ("followups.detractors", "case.opened"),
    ],
)
def test_an_event_without_its_fields_is_unreadable_on_every_topic(topic: str, event_type: str) -> None:
    assert read(topic, {"something": "else"}, ce_type=event_type).unreadable == {(topic, 0, 7)}


ANSWER: dict[str, Any] = {
    "answer_id": "a1", "revision": 1, "score": 3, "answered_at": "2026-03-10T12:00:00Z",
    "received_at": "2026-03-10T12:00:01Z", "further_answers": {"why": "late"},
}  # fmt: skip


def test_an_answers_digest_covers_every_field_that_has_a_value() -> None:
    digest = answer_state(ANSWER).digest
    assert answer_state({**ANSWER, "comment": None, "segments": {}}).digest == digest
    assert answer_state(dict(reversed(ANSWER.items()))).digest == digest
    for other in ({"further_answers": {"why": "cold"}}, {"received_at": "2026-03-10T12:00:02Z"}, {"locale": "en"}):
        assert answer_state({**ANSWER, **other}).digest != digest


def test_a_moment_is_kept_with_its_offset() -> None:
    (event,) = read("orders", {**ORDER, "occurred_at": "2026-03-10T09:00:00-03:00"}).orders
    assert event.occurred_at == datetime(2026, 3, 10, 12, tzinfo=UTC)


class InMemory:
    """Topics whose records are these, each read as often as it is asked for."""

    def __init__(self, *records: Record) -> None:
        self._records = records

    async def read(self, names: Sequence[str]) -> AsyncIterator[Record]:
        for each in self._records:
            if each.topic in names:
                yield each

    async def beginnings(self, _names: Sequence[str]) -> Offsets:
        return {}


ERASURE = record(
    "customers.preferences",
    {"customer_id": "c1", "revision": 1, "occurred_at": "2026-03-12T12:00:00+00:00"},
    ce_type="preference.erased",
)
NAMED = record("orders", {**ORDER, "customer": {"id": "c1", "email": "Ana@x.example", "name": "Ana"}})
THEIR_ANSWER = {"answer_id": "a1", "revision": 1, "score": 3, "customer_id": "c1", "comment": "Late",
          "answered_at": "2026-03-11T12:00:00+00:00"}  # fmt: skip
THEIR_CASE = {"case_id": "k", "queue": "q", "status": "open", "sequence": 1,
        "opened_at": "2026-03-12T12:00:00+00:00", "changed_at": "2026-03-12T12:00:00+00:00"}  # fmt: skip


async def read_all(*records: Record) -> TopicFacts:
    names = sorted({each.topic for each in records})
    return await read_facts(InMemory(*records), names)  # type: ignore[arg-type]  # what it uses of Topics


@pytest.mark.parametrize(
    "says", [{"note": "ana@x.example"}, {"customer": {"name": "Ana"}}, {"answer": {"comment": "late"}}], ids=str
)
async def test_what_a_record_says_of_the_erased_is_noted_in_whatever_order_it_comes(says: dict[str, Any]) -> None:
    told = record("followups.q", {**THEIR_CASE, **says}, ce_type="case.opened")
    answered = record("surveys.answers", THEIR_ANSWER, ce_type="answer.recorded")
    facts = await read_all(told, answered, NAMED, ERASURE)
    assert {place for place, found in facts.traces.items() if found} == {
        ("followups.q", 0, "key"), ("surveys.answers", 0, "key"),
    }  # fmt: skip


async def test_only_the_last_record_of_a_key_counts() -> None:
    told = record("followups.q", {**THEIR_CASE, "note": "ana@x.example"}, ce_type="case.opened")
    emptied = record("followups.q", {**THEIR_CASE, "sequence": 2}, ce_type="case.closed")
    assert (await read_all(told, emptied, NAMED, ERASURE)).traces == {}
    assert (await read_all(emptied, told, NAMED, ERASURE)).traces != {}


async def test_a_record_without_a_value_removes_what_was_said_under_its_key() -> None:
    told = record("followups.q", {**THEIR_CASE, "note": "ana@x.example"}, ce_type="case.opened")
    facts = await read_all(told, replace(told, value=None, headers=(), offset=told.offset + 1), NAMED, ERASURE)
    assert facts.traces == {}
    assert facts.unreadable == set()


async def test_nothing_is_noted_of_who_was_not_erased() -> None:
    told = record("followups.q", {**THEIR_CASE, "note": "ana@x.example"}, ce_type="case.opened")
    assert (await read_all(told, NAMED)).traces == {}
