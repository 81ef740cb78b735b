"""How the audit reads records: whatever is not a valid event is recorded as unreadable, and reading goes on."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tools.audit.facts import TopicFacts
from tools.audit.from_topics import answer_state, read_record, reader_for
from tools.audit.records import Record, event_of

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
    assert (facts.orders, facts.addresses) == ([], {})


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
