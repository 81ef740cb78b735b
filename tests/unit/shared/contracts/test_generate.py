"""The contract on paper is the contract in code."""

import pytest
import yaml

from shared.contracts import generate
from shared.contracts.topics import CATALOGUE


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
    assert set(document["channels"]) == {topic.name for topic in CATALOGUE}
    assert set(document["components"]["messages"]) == {name for topic in CATALOGUE for name in topic.bodies}
