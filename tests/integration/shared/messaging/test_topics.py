"""Topics forget within the stated days, those that existed before, too, and have as many copies as the cluster can."""

import time
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs

from shared.contracts.topics import ANSWERS, DAY_MILLISECONDS, ORDERS, PREFERENCES
from shared.messaging.topics import Copies, ensure_topics
from shared.settings import ServiceSettings
from tests.kit.eventually import eventually
from tests.kit.settings import settings_for

DAYS = 6
THIRD = str(2 * DAY_MILLISECONDS)


def settings_on(kafka: str, prefix: str) -> ServiceSettings:
    return settings_for(
        ServiceSettings, "postgresql://h/d", kafka_bootstrap_servers=kafka, topic_prefix=prefix, forget_days=DAYS
    )


async def _configuration(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """The topic's, when the broker knows the topic, which it may have created a moment ago."""

    async def told() -> dict[str, str]:
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        ((_code, _message, _type, _name, entries),) = response.resources
        return {entry[0]: entry[1] for entry in entries}

    return await eventually(told, "the topic's configuration", wanted=lambda found: "segment.ms" in found)


async def _are_listed(admin: AIOKafkaAdminClient, names: set[str]) -> bool:
    return names <= set(await admin.list_topics())


async def _described(admin: AIOKafkaAdminClient, name: str) -> dict[str, Any]:
    """The topic, when the broker knows the partitions it has just created."""
    (topic,) = await eventually(
        lambda: admin.describe_topics([name]),
        "the topic to have its partitions",
        wanted=lambda topics: len(topics[0]["partitions"]) == ORDERS.partitions,
    )
    return cast("dict[str, Any]", topic)


async def test_existing_topics_forget_in_time_and_keep_what_was_set(kafka: str, topic_prefix: str) -> None:
    settings = settings_on(kafka, topic_prefix)
    answers, orders = settings.topic(ANSWERS.name), settings.topic(ORDERS.name)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        before = {"cleanup.policy": "compact", "max.message.bytes": "2000000"}
        quick = {"retention.ms": "3600000", "segment.ms": "60000"}
        await admin.create_topics(
            [NewTopic(answers, 1, 1, topic_configs=before), NewTopic(orders, 1, 1, topic_configs=quick)]
        )
        await eventually(lambda: _are_listed(admin, {answers, orders}), "both topics to be listed")
        assert await ensure_topics(settings, [ANSWERS, ORDERS]) == []
        # A broker tells of a change a moment after it has agreed to it.
        now = await eventually(
            lambda: _configuration(admin, answers), "the change", wanted=lambda found: found["segment.ms"] == THIRD
        )
        assert now["max.compaction.lag.ms"] == THIRD
        assert (now["max.message.bytes"], now["cleanup.policy"]) == ("2000000", "compact")
        assert (await _configuration(admin, orders))["segment.ms"] == "60000", "already quicker"
    finally:
        await admin.close()


async def test_a_topic_on_a_single_broker_has_the_copies_that_are_possible(kafka: str, topic_prefix: str) -> None:
    settings = settings_on(kafka, topic_prefix)
    await ensure_topics(settings, [ORDERS])
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        topic = await _described(admin, settings.topic(ORDERS.name))
        now = await _configuration(admin, settings.topic(ORDERS.name))
    finally:
        await admin.close()
    assert {len(partition["replicas"]) for partition in topic["partitions"]} == {1}
    assert now["min.insync.replicas"] == "1"


async def test_topics_with_fewer_copies_than_wanted_are_told(kafka: str, topic_prefix: str) -> None:
    """Such as those that were created before the cluster had three brokers."""
    await ensure_topics(settings_on(kafka, topic_prefix), [ORDERS])
    three = settings_on(kafka, topic_prefix).model_copy(update={"topic_replication": 3})
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await _described(admin, three.topic(ORDERS.name))
    finally:
        await admin.close()
    with capture_logs() as logs:
        assert await ensure_topics(three, [ORDERS]) == []
    assert [(one["log_level"], one["topics"], one["wanted"]) for one in logs] == [("warning", 1, 3)]


async def test_a_new_topic_is_created_so(kafka: str, topic_prefix: str) -> None:
    settings = settings_on(kafka, topic_prefix)
    assert await ensure_topics(settings, [ANSWERS]) == [settings.topic(ANSWERS.name)]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        now = await _configuration(admin, settings.topic(ANSWERS.name))
    finally:
        await admin.close()
    assert (now["segment.ms"], now["max.compaction.lag.ms"]) == (THIRD, THIRD)


@pytest.mark.parametrize(
    ("brokers", "replication", "min_insync", "expected"),
    [
        (1, 0, 0, (1, 1)),
        (2, 0, 0, (2, 1)),
        (3, 0, 0, (3, 2)),
        (9, 0, 0, (3, 2)),
        (9, 5, 0, (5, 4)),
        (9, 5, 3, (5, 3)),
        (1, 0, 2, (1, 1)),
    ],
)
def test_a_topic_has_three_copies_unless_configured_or_impossible(
    brokers: int, replication: int, min_insync: int, expected: tuple[int, int]
) -> None:
    settings = settings_for(
        ServiceSettings,
        "postgresql://h/d",
        topic_replication=replication,
        topic_min_insync_replicas=min_insync,
    )
    copies = Copies.wanted(settings, brokers=brokers)
    assert (copies.replication, copies.min_insync) == expected


async def test_a_record_has_the_time_at_which_the_broker_took_it(kafka: str, topic_prefix: str) -> None:
    """A producer's clock may be wrong, and its request may be held up: an erasure ten seconds on its way looked
    as if the dispatcher could have known of it."""
    settings = settings_on(kafka, topic_prefix)
    [name] = await ensure_topics(settings, [PREFERENCES])
    began = time.time()
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        sent = await producer.send_and_wait(name, b"{}", key=b"c-1", timestamp_ms=1)
    assert sent.timestamp / 1_000 >= began - 1
