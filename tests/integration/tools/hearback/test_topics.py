"""`hearback topics diff` tells what topics lack, and `apply` mends it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from typer.testing import CliRunner, Result

from deploy.local.backends import Backends
from deploy.local.topics import delete_topics
from shared.contracts.topics import ANSWERS, ORDERS
from shared.messaging.topics import all_topics
from tools.hearback.__main__ import app


@pytest_asyncio.fixture(loop_scope="session")
async def prefix(backends: Backends, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    name = f"test-{secrets.token_hex(4)}."
    monkeypatch.setenv("HEARBACK_KAFKA_BOOTSTRAP_SERVERS", backends.kafka_bootstrap_servers)
    monkeypatch.setenv("HEARBACK_TOPIC_PREFIX", name)
    yield name
    await delete_topics(backends.kafka_bootstrap_servers, prefix=name)


async def hearback(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["topics", *arguments])


async def test_topics_become_what_they_should_be(backends: Backends, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=backends.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(
                    prefix + ORDERS.name, 1, 1, topic_configs={"retention.ms": "1000", "max.message.bytes": "2000000"}
                ),
                NewTopic(prefix + ANSWERS.name, 50, 1, topic_configs=ANSWERS.configuration()),
            ]
        )
        told = await hearback("diff", "--json")
        assert told.exit_code == 1
        found = {(each["topic"].removeprefix(prefix), each["what"]): each for each in json.loads(told.output)}
        assert found["orders", "partitions"]["found"] == "1" and found["orders", "retention.ms"]["found"] == "1000"
        assert ("followups.detractors", "missing") in found
        assert not [what for topic, what in found if topic == ANSWERS.name], "more partitions are fine"

        applied = await hearback("apply")
        assert applied.exit_code == 0, applied.output
        assert f"All {len(all_topics())} topics" in applied.output
        orders = next(iter(await admin.describe_topics([prefix + ORDERS.name])))
        assert len(orders["partitions"]) == ORDERS.partitions
        again = await hearback("diff")
        assert again.exit_code == 0
        # What is not ours to set stays.
        from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

        [settings] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, prefix + ORDERS.name)])
        assert dict(entry[:2] for entry in settings.resources[0][4])["max.message.bytes"] == "2000000"
    finally:
        await admin.close()


async def test_replicas_that_a_cluster_cannot_have_are_left_to_its_operator(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await hearback("apply")).exit_code == 0
    monkeypatch.setenv("HEARBACK_TOPIC_REPLICATION", "3")
    monkeypatch.setenv("HEARBACK_TOPIC_MIN_INSYNC_REPLICAS", "1")
    told = await hearback("diff", "--json")
    assert told.exit_code == 1
    assert {each["what"] for each in json.loads(told.output)} == {"replicas"}
    assert all("kafka-reassign-partitions" in each["remedy"] for each in json.loads(told.output))


async def test_a_setting_that_cannot_be_used_is_named(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARBACK_TOPIC_REPLICATION", "eleven")
    ended = await hearback("diff")
    assert ended.exit_code == 2 and "HEARBACK_TOPIC_REPLICATION" in ended.output
