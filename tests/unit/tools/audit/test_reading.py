"""Records as the audit reads them: what is no event of ours is noted as unreadable, and stops nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tools.audit import CannotAudit, Installation, audit
from tools.audit.facts import TopicFacts
from tools.audit.from_topics import answer_state, take, taker_of
from tools.audit.topics import Record, event_of

ORDER = {"order_id": "o1", "customer": {"id": "c1"}, "occurred_at": "2026-03-10T12:00:00+00:00"}


def record(topic: str, body: object, **headers: str) -> Record:
    told = {"ce_source": "/shop", "ce_id": "1", "ce_type": "order.placed", **headers}
    value = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    return Record(topic, 0, 7, b"key", value, [(name, text.encode()) for name, text in told.items()])


def read(topic: str, body: object, **headers: str) -> TopicFacts:
    facts = TopicFacts()
    take(facts, record(topic, body, **headers), taker_of(topic))
    return facts


def test_an_order_event_is_read() -> None:
    facts = read("orders", ORDER)
    assert [(event.order_id, event.customer_id, event.type) for event in facts.orders] == [("o1", "c1", "order.placed")]
    assert facts.unreadable == set()


def test_of_a_header_that_is_there_twice_the_last_counts_and_one_without_value_does_not() -> None:
    told = record("orders", ORDER)
    told = replace(told, headers=[*told.headers, ("ce_id", b"2"), ("baggage", None)])
    event = event_of(told)
    assert event is not None and event.identity == ("/shop", "2")
    assert event_of(replace(told, headers=[("ce_id", None)])) is None


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
        {**ORDER, "shipment": {"of": 2}},
    ],
    ids=str,
)
def test_what_is_no_order_event_is_unreadable(body: object) -> None:
    facts = read("orders", body)
    assert facts.unreadable == {("orders", 0, 7)}
    assert (facts.orders, facts.personal) == ([], {})


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


def test_an_answers_words_are_all_it_says_and_nothing_it_does_not() -> None:
    words = answer_state(ANSWER).words
    assert answer_state({**ANSWER, "comment": None, "segments": {}}).words == words
    assert answer_state(dict(reversed(ANSWER.items()))).words == words
    for other in ({"further_answers": {"why": "cold"}}, {"received_at": "2026-03-10T12:00:02Z"}, {"locale": "en"}):
        assert answer_state({**ANSWER, **other}).words != words


NOWHERE = {
    "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "HEARBACK_DATABASE_URL": "postgresql://hearback@127.0.0.1:9/hearback",
    "HEARBACK_SCORER_URL": "http://127.0.0.1:9",
    "HEARBACK_ALERTER_URL": "http://127.0.0.1:9",
    "HEARBACK_API_KEY": "key",
}


async def test_an_installation_that_cannot_be_reached_cannot_be_audited() -> None:
    with pytest.raises(CannotAudit, match="Is the stack up"):
        await audit(Installation.from_environment(NOWHERE))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEARBACK_API_KEY", ""),
        ("HEARBACK_TIMEZONE", "Brasil/Sao_Paulo"),
        ("HEARBACK_QUIET_PERIOD_DAYS", "a quarter"),
        ("HEARBACK_MINIMUM_ANSWERS", "ten"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(CannotAudit, match=name):
        Installation.from_environment({**NOWHERE, name: value})


def test_a_moment_is_kept_with_its_offset() -> None:
    (event,) = read("orders", {**ORDER, "occurred_at": "2026-03-10T09:00:00-03:00"}).orders
    assert event.occurred_at == datetime(2026, 3, 10, 12, tzinfo=UTC)
