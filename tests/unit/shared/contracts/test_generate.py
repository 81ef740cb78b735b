"""The contract on paper is the contract in code."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import generate
from shared.contracts.topics import CATALOGUE, CONSUMED_BY
from shared.messaging.letter_records import letter_record
from shared.messaging.records import DeadLetter


def test_the_committed_files_are_up_to_date() -> None:
    assert generate.stale() == []


def test_a_changed_file_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "files", lambda: {"asyncapi.yaml": b"other", "new.schema.json": b"{}"})
    found = generate.stale()
    assert "asyncapi.yaml" in found
    assert "new.schema.json" in found
    assert "order.placed.schema.json" in found


def test_every_topic_has_a_channel_and_every_event_a_message() -> None:
    document = yaml.safe_load(generate.files()["asyncapi.yaml"])
    assert document["asyncapi"] == "3.1.0"
    letters = {f"{topic.name}.{service}.dlq" for service, topics in CONSUMED_BY.items() for topic in topics}
    assert set(document["channels"]) == {topic.name for topic in CATALOGUE} | letters
    events = {name for topic in CATALOGUE for name in topic.bodies}
    assert set(document["components"]["messages"]) == events | {"dead-letter"}


@given(
    value=st.none() | st.binary(max_size=20) | st.just(b"v" * 1_000_000),
    key=st.none() | st.binary(max_size=20) | st.just(b"k" * 30_000),
    headers=st.lists(st.tuples(st.sampled_from(["ce_id", "note"]), st.none() | st.just(b"n" * 40_000)), max_size=3),
    records=st.integers(1, 3),
)
def test_a_dead_letter_has_the_headers_of_the_contract(
    value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes | None]], records: int
) -> None:
    letter = DeadLetter(
        topic="orders",
        partition=1,
        offset=2,
        key=key,
        value=value,
        headers=headers,
        reason="order_id: is missing",
        records=records,
    )
    record = letter_record(letter, "dispatcher")
    document = generate.asyncapi()
    assert record.topic in document["channels"]
    contract = document["components"]["messages"]["dead-letter"]["headers"]
    ours = {name for name, _ in record.headers if name.startswith("hearback-")}
    assert set(contract["required"]) <= ours <= set(contract["properties"])


def test_the_page_for_operators_names_every_header_of_a_dead_letter() -> None:
    page = (generate.TARGET.parent / "operations.md").read_text(encoding="utf-8")
    contract = generate.asyncapi()["components"]["messages"]["dead-letter"]["headers"]
    assert [name for name in contract["properties"] if f"`{name}`" not in page] == []
