"""What a newer record has replaced, or has aged, leaves the broker's disk, although nobody writes anything more."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from structlog.testing import capture_logs

from shared.contracts.topics import ANSWERS, PREFERENCES, SENDS, followup_topic
from shared.messaging import segments
from shared.messaging.segments import EmptyTransaction, SegmentLoop
from shared.messaging.topics import ensure_topics
from shared.settings import ServiceSettings
from tests.kit.disk import words_on_disk
from tests.kit.eventually import eventually
from tests.kit.settings import settings_for

FORGET_SECONDS = 1.5
WORDS = ("Martha", "Henry")


@dataclass
class Topics:
    """Topics that forget within ``FORGET_SECONDS``, on a broker whose disk we can read, and compressed records."""

    settings: ServiceSettings
    disk: Path
    producer: AIOKafkaProducer

    async def publish(self, topic: str, key: str, value: str, *, partition: int = 0) -> None:
        await self.producer.send_and_wait(
            self.settings.topic(topic), value.encode(), key=key.encode(), partition=partition
        )

    async def words(self) -> dict[str, set[str]]:
        """By topic."""
        return words_on_disk(self.disk, WORDS, prefix=self.settings.topic_prefix)

    async def ends(self, topic: str) -> list[int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap_servers)
        await consumer.start()
        try:
            partitions = [TopicPartition(self.settings.topic(topic), number) for number in range(ANSWERS.partitions)]
            ends = await consumer.end_offsets(partitions)
            return [ends[partition] for partition in partitions]
        finally:
            await consumer.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def topics(kafka: str, kafka_disk: Path, topic_prefix: str) -> AsyncIterator[Topics]:
    settings = settings_for(
        ServiceSettings,
        "postgresql://h/d",
        kafka_bootstrap_servers=kafka,
        topic_prefix=topic_prefix,
        forget_days=FORGET_SECONDS / 86_400,
    )
    producer = AIOKafkaProducer(bootstrap_servers=kafka, compression_type="gzip")
    await producer.start()
    yield Topics(settings, kafka_disk, producer)
    await producer.stop()


async def test_what_was_replaced_in_a_quiet_partition_leaves_the_disk(topics: Topics) -> None:
    queue = followup_topic("detractors")
    await ensure_topics(topics.settings, [ANSWERS, PREFERENCES, queue])
    for name in (ANSWERS.name, PREFERENCES.name, queue.name):
        await topics.publish(name, "erased", "Martha")
        await topics.publish(name, "erased", "nobody")
        await topics.publish(name, "kept", "Henry")
    assert await topics.words() == {name: {"Martha", "Henry"} for name in (ANSWERS.name, PREFERENCES.name, queue.name)}
    loops = [SegmentLoop(topics.settings, service) for service in ("collector", "alerter")]

    async def after_a_step() -> dict[str, set[str]]:
        for loop in loops:
            await loop.step()
        return await topics.words()

    only_kept = {name: {"Henry"} for name in (ANSWERS.name, PREFERENCES.name, queue.name)}
    await eventually(after_a_step, "what was replaced to be gone", wanted=lambda found: found == only_kept)


async def test_what_has_aged_in_a_quiet_partition_leaves_the_disk_by_itself(topics: Topics) -> None:
    settings = topics.settings
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    queue = followup_topic("detractors")
    try:
        await admin.create_topics(
            [
                NewTopic(
                    settings.topic(topic.name),
                    1,
                    1,
                    topic_configs={**topic.configuration(settings.forget_days), "retention.ms": "1500"},
                )
                for topic in (SENDS, queue)
            ]
        )
        for topic in (SENDS, queue):
            await topics.publish(topic.name, "aged", "Martha")
        assert await topics.words() == {SENDS.name: {"Martha"}, queue.name: {"Martha"}}
        await eventually(topics.words, "what has aged to be gone", wanted=lambda found: found == {})
    finally:
        await admin.close()


async def test_segments_are_closed_as_often_as_needed_and_no_more(topics: Topics) -> None:
    await ensure_topics(topics.settings, [ANSWERS, PREFERENCES])
    seldom = SegmentLoop(topics.settings.model_copy(update={"forget_days": 3}), "collector")
    ends = partial(topics.ends, ANSWERS.name)
    once = [1] * ANSWERS.partitions
    await seldom.step()
    await eventually(ends, "a marker in each partition", wanted=lambda found: found == once)
    await seldom.step()
    assert await ends() == once
    await SegmentLoop(topics.settings, "scorer").step()
    assert await ends() == once, "these are the collector's"


async def test_a_topic_of_ours_is_closed_though_it_is_not_listed_yet_and_a_missing_one_is_told_of(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_listed(_settings: ServiceSettings) -> set[str]:
        return set()

    monkeypatch.setattr(segments, "topic_names", none_listed)
    monkeypatch.setattr(segments, "_METADATA_SECONDS", 2.0)
    await ensure_topics(topics.settings, [ANSWERS])
    with capture_logs() as logs:
        await SegmentLoop(topics.settings, "collector").step()
    once = [1] * ANSWERS.partitions
    await eventually(
        partial(topics.ends, ANSWERS.name), "a marker in each partition", wanted=lambda found: found == once
    )
    missing = topics.settings.topic(PREFERENCES.name)
    assert [log["reasons"] for log in logs] == [{missing: "UnknownTopicOrPartitionError"}]


async def test_a_topic_that_cannot_be_written_to_stops_no_other(topics: Topics) -> None:
    await ensure_topics(topics.settings, [ANSWERS])
    answers, missing = topics.settings.topic(ANSWERS.name), topics.settings.topic("missing")
    client = AIOKafkaClient(bootstrap_servers=topics.settings.kafka_bootstrap_servers)
    await client.bootstrap()
    try:
        await client.set_topics([answers])
        await eventually(partial(_known, client, answers), "the broker to know a topic made a moment ago")
        transaction = EmptyTransaction(client, topics.settings.topic("test"))
        with capture_logs() as logs:
            await transaction.commit({missing: [0], answers: [0, 1]})
    finally:
        await client.close()
    await eventually(
        partial(topics.ends, ANSWERS.name), "the markers", wanted=lambda found: found == [1, 1, 0, 0, 0, 0]
    )
    assert [log["reasons"] for log in logs] == [{missing: "UnknownTopicOrPartitionError"}]


async def _known(client: AIOKafkaClient, topic: str) -> bool:
    await client.force_metadata_update()
    return bool(client.cluster.partitions_for_topic(topic))
