"""The audit reads topics to their ends, whatever their ends are made of."""

import asyncio
from datetime import timedelta

from aiokafka import AIOKafkaProducer

from shared.contracts.topics import ANSWERS, PREFERENCES
from shared.messaging.segments import SegmentLoop
from shared.messaging.topics import ensure_topics
from shared.settings import ServiceSettings
from tests.kit.eventually import eventually
from tests.kit.raw_records import Raw, batch_of, publish
from tests.kit.settings import kafka_at, settings_for
from tools.audit.topics import STALL_SECONDS, Topics


async def test_a_topic_that_ends_in_transaction_markers_is_read_without_waiting_for_more(
    kafka: str, topic_prefix: str
) -> None:
    """Every partition of a quiet compacted topic ends so (``shared/messaging/segments.py``)."""
    settings = settings_for(
        ServiceSettings,
        "postgresql://h/d",
        kafka_bootstrap_servers=kafka,
        topic_prefix=topic_prefix,
        forget_days=0.3 / 86_400,
    )
    await ensure_topics(settings, [ANSWERS, PREFERENCES])
    topics = Topics(kafka_at(kafka), prefix=topic_prefix)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        await producer.send_and_wait(settings.topic(ANSWERS.name), b"last", key=b"k", partition=0)

    async def ends() -> int:
        await SegmentLoop(settings, "collector").step()
        async with topics.ends([ANSWERS.name]) as now:
            return min((await now()).values())

    # The last of them are in segments of their own, which Kafka does not deliver together with those before.
    await eventually(ends, "markers in each partition", wanted=lambda end: end >= 3, every=0.2)
    async with asyncio.timeout(STALL_SECONDS / 3):
        assert [record.value async for record in topics.read([ANSWERS.name])] == [b"last"]


async def test_a_record_that_clients_cannot_unpack_costs_only_itself(kafka: str, topic_prefix: str) -> None:
    settings = settings_for(
        ServiceSettings, "postgresql://h/d", kafka_bootstrap_servers=kafka, topic_prefix=topic_prefix
    )
    await ensure_topics(settings, [ANSWERS])
    topic = settings.topic(ANSWERS.name)
    odd = Raw(b"odd", (("bad-name", b"x"),))
    for partition in (0, 1):
        await publish(kafka, topic, partition, batch_of(Raw(b"before", ())))
        mixed = batch_of(Raw(b"beside", ()), odd, Raw(b"behind", ()), replace=(b"bad-name", b"b\xff\xfe-name"))
        await publish(kafka, topic, partition, mixed)
        await publish(kafka, topic, partition, batch_of(Raw(b"after", ())))
    records = [record async for record in Topics(kafka_at(kafka), prefix=topic_prefix).read([ANSWERS.name])]
    values = [b"before", b"beside", b"odd", b"behind", b"after"]
    for partition in (0, 1):
        read = [record for record in records if record.partition == partition]
        assert [record.value for record in read] == values
        # Also of those that clients cannot unpack, and of those beside them.
        times = [record.published for record in read if record.published is not None]
        assert len(times) == len(read) and max(times) - min(times) < timedelta(minutes=5)
        assert [record.offset for record in read] == list(range(5))
        assert [record.value for record in read if record.damaged] == [b"odd"]
