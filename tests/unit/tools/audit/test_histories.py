"""What the audit notices in the records of a key, as they stand in the topic."""

import json
from typing import Any

import pytest

from tools.audit.facts import TopicFacts
from tools.audit.from_topics import read_record, reader_for
from tools.audit.records import Record

MOMENT = "2026-03-10T12:00:00+00:00"
CASE = {"case_id": "k", "queue": "q", "status": "open", "opened_at": MOMENT, "changed_at": MOMENT}
BODIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "surveys.answers": (
        "answer.recorded", "revision", {"answer_id": "k", "score": 3, "answered_at": MOMENT}),
    "followups.detractors": ("case.opened", "sequence", CASE),
    "nps.scores": ("score.updated", "sequence", {"campaign": "k", "window": "7d", "segment": "everybody"}),
    "customers.preferences": ("preference.unsubscribed", "revision", {"customer_id": "k", "occurred_at": MOMENT}),
    "surveys.campaigns": ("campaign.published", "campaign_version", {"campaign": "k"}),
}  # fmt: skip


def read(topic: str, *numbers: int, key: bytes | None = None, **more: list[str]) -> TopicFacts:
    """Records of one key that carry these numbers; the lists of ``more`` have a further field for each of them."""
    facts = TopicFacts()
    kind, number_field, body = BODIES[topic]
    own_key = b"k\x1f7d\x1feverybody" if topic == "nps.scores" else b"k"
    for offset, number in enumerate(numbers):
        further = {name: values[offset] for name, values in more.items()}
        value = json.dumps({**body, number_field: number, **further}).encode()
        headers = {"ce_source": "/hearback", "ce_id": str(offset), "ce_type": kind}
        written = Record(
            topic=topic,
            partition=0,
            offset=offset,
            key=own_key if key is None else key,
            value=value,
            headers=[(name, text.encode()) for name, text in headers.items()],
        )
        read_record(facts, written, reader_for(topic))
    assert not facts.unreadable
    return facts


@pytest.mark.parametrize("topic", BODIES)
def test_the_last_record_and_the_newest_are_told_apart(topic: str) -> None:
    (history,) = read(topic, 1, 2, 3, 2).histories[topic, 0].values()
    assert (history.newest, history.last, history.reused) == (3, 2, None)
    (again,) = read(topic, 1, 2, 1, 2).histories[topic, 0].values()
    assert (again.newest, again.last, again.reused) == (2, 2, None)


@pytest.mark.parametrize("topic", BODIES)
def test_a_number_with_two_contents_is_noticed(topic: str) -> None:
    (history,) = read(topic, 1, 2, 1, 2, 3, further=list("ababc")).histories[topic, 0].values()
    assert history.reused is None
    (history,) = read(topic, 1, 2, 1, 2, 3, further=list("abxyz")).histories[topic, 0].values()
    assert history.reused == 2


@pytest.mark.parametrize("topic", BODIES)
def test_a_record_under_another_key_is_noticed(topic: str) -> None:
    assert not read(topic, 1).misplaced
    (misplaced,) = read(topic, 1, key=b"other").misplaced
    assert misplaced.location == (topic, 0, 0)


def test_topics_that_are_not_compacted_have_no_histories() -> None:
    facts = TopicFacts()
    order = {"order_id": "o1", "customer": {"id": "c1"}, "occurred_at": MOMENT}
    headers = [("ce_source", b"/shop"), ("ce_id", b"1"), ("ce_type", b"order.placed")]
    written = Record(topic="orders", partition=0, offset=0, key=b"k", value=json.dumps(order).encode(), headers=headers)
    read_record(facts, written, reader_for("orders"))
    assert (facts.histories, facts.misplaced) == ({}, [])
