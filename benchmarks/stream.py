"""Shared by benchmarks of consumers: filling a topic, the bare loop, and a service's progress."""

import time
import zlib
from collections.abc import Callable, Iterable, Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from benchmarks.environment import Environment
from benchmarks.record import Record
from shared.contracts.topics import Topic

Progress = Callable[[str, float], None]
"""Called with the current step and its progress from 0 to 1."""

Take = Callable[[Sequence["ConsumerRecord[bytes, bytes]"]], None]

_BATCH_BYTES = 500_000


async def publish(on: Environment, topic: Topic, records: Iterable[Record], count: int, progress: Progress) -> float:
    """Publishes ``count`` records, in order per key, and returns the average size of a value in bytes."""
    producer = AIOKafkaProducer(
        bootstrap_servers=on.kafka_bootstrap_servers, linger_ms=0, max_batch_size=_BATCH_BYTES * 2
    )
    await producer.start()
    try:
        builders = [producer.create_batch() for _ in range(topic.partitions)]
        sizes = [0] * topic.partitions
        total = 0

        async def send(partition: int) -> None:
            builders[partition].close()
            await (await producer.send_batch(builders[partition], on.topic(topic.name), partition=partition))
            builders[partition] = producer.create_batch()
            sizes[partition] = 0

        for number, record in enumerate(records):
            partition = zlib.crc32(record.key) % topic.partitions
            builders[partition].append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
            sizes[partition] += len(record.value) + 300
            total += len(record.value)
            if sizes[partition] > _BATCH_BYTES:
                await send(partition)
                progress(f"publishing to {topic.name}", number / count)
        for partition in range(topic.partitions):
            await send(partition)
        return total / count
    finally:
        await producer.stop()


def bare_consumer(on: Environment) -> AIOKafkaConsumer:
    """A consumer without a group or assignment, not yet started; as its client comes, but for larger fetches."""
    return AIOKafkaConsumer(
        bootstrap_servers=on.kafka_bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2_097_152,
        fetch_max_wait_ms=50,
    )


def partitions(on: Environment, topic: Topic) -> list[TopicPartition]:
    return [TopicPartition(on.topic(topic.name), partition) for partition in range(topic.partitions)]


async def bare_loop(on: Environment, topic: Topic, count: int, take: Take, progress: Progress) -> float:
    """Records per second, from the first record received to the last one passed to ``take``."""
    consumer = bare_consumer(on)
    await consumer.start()
    try:
        consumer.assign(partitions(on, topic))
        taken, started = 0, 0.0
        while taken < count:
            batch = await consumer.getmany(timeout_ms=200, max_records=5_000)
            started = started or time.perf_counter()
            for records in batch.values():
                take(records)
                taken += len(records)
            progress("bare loop", taken / count)
        return taken / (time.perf_counter() - started)
    finally:
        await consumer.stop()


async def committed(database: "asyncpg.Connection[asyncpg.Record]", service: str, topic: Topic) -> int:
    """The number of records of the topic the service has handled, from its committed positions."""
    return int(
        await database.fetchval(
            f"SELECT COALESCE(sum(next_offset), 0) FROM {service}.consumer_positions WHERE topic = $1", topic.name
        )
    )
