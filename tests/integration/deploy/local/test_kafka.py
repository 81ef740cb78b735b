"""The Kafka node's data folder is formatted with any cluster id."""

import uuid
from pathlib import Path

import pytest

from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import KafkaNode

BEGINS_WITH_A_HYPHEN = uuid.UUID(bytes=b"\xf8" + bytes(range(15)))


async def test_an_id_that_begins_with_a_hyphen_is_an_id_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uuid, "uuid4", lambda: BEGINS_WITH_A_HYPHEN)
    node = KafkaNode(folder=tmp_path, port=9, controller_port=10)
    await node.prepare(await fetch_jars(read_lock()))
    assert "cluster.id=-" in (tmp_path / "data" / "meta.properties").read_text()
