"""Reading whole topics, from the first record that is kept to the last, with a decoder of the audit's own."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

STALL_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in a topic; ``topic`` without the installation's prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    @property
    def place(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset

    def header(self, name: str) -> str | None:
        for header, value in self.headers:
            if header == name:
                return value.decode("utf-8", "replace")
        return None


@dataclass(frozen=True, slots=True)
class Event:
    """What a record says: the CloudEvent's identity and its body, a plain JSON object."""

    source: str
    id: str
    type: str
    body: dict[str, Any]

    @property
    def identity(self) -> tuple[str, str]:
        return self.source, self.id


def event_of(record: Record) -> Event | None:
    """The CloudEvent in a record, binary or structured; None when there is none."""
    try:
        content = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict):
        return None
    if (record.header("content-type") or "").startswith("application/cloudevents+json"):
        source, id, type, body = (content.get(name) for name in ("source", "id", "type", "data"))
    else:
        source, id, type = (record.header(name) for name in ("ce_source", "ce_id", "ce_type"))
        body = content
    if isinstance(source, str) and isinstance(id, str) and isinstance(type, str) and isinstance(body, dict):
        return Event(source, id, type, body)
    return None


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class Topics:
    """A cluster's topics, read by assignment: no consumer group is joined, nothing is committed."""

    def __init__(self, bootstrap_servers: str, prefix: str = "") -> None:
        self._bootstrap_servers = bootstrap_servers
        self._prefix = prefix

    async def names(self) -> set[str]:
        """Every topic with the prefix, named without it."""
        consumer = self._consumer()
        await consumer.start()
        try:
            names = await consumer.topics()
        finally:
            await consumer.stop()
        return {name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)}

    async def ends(self, names: Sequence[str]) -> dict[tuple[str, int], int]:
        """Where each partition ends now: the offset its next record will get."""
        consumer = self._consumer()
        await consumer.start()
        try:
            partitions = await self._partitions(consumer, names)
            ends = await consumer.end_offsets(partitions)
        finally:
            await consumer.stop()
        return {(self._bare(at), at.partition): end for at, end in ends.items()}

    async def read(self, name: str) -> AsyncIterator[Record]:
        """Every record of a topic up to where it ends now.

        Raises TimeoutError when the broker stops giving them.
        """
        consumer = self._consumer()
        await consumer.start()
        try:
            partitions = await self._partitions(consumer, [name])
            consumer.assign(partitions)
            beginnings = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            for partition in partitions:
                consumer.seek(partition, beginnings[partition])
            waiting = {at for at in partitions if beginnings[at] < ends[at]}
            while waiting:
                batches = await consumer.getmany(
                    *waiting, timeout_ms=STALL_SECONDS * 1000, max_records=10_000
                )
                if not batches and not await self._moved(consumer, waiting, ends):
                    raise TimeoutError(
                        f"{name} was not read to its end: the broker gave nothing for {STALL_SECONDS} s"
                    )
                for at, records in batches.items():
                    for record in records:
                        if record.offset < ends[at]:
                            yield Record(
                                name, at.partition, record.offset, record.key, record.value, record.headers
                            )
                await self._moved(consumer, waiting, ends)
        finally:
            await consumer.stop()

    async def _moved(
        self, consumer: AIOKafkaConsumer, waiting: set[TopicPartition], ends: dict[TopicPartition, int]
    ) -> bool:
        """Takes the partitions that were read to their end out of ``waiting``; whether there were any.

        By position and not by the last record: a compacted topic may end in offsets that hold nothing any more.
        """
        done = {at for at in waiting if await consumer.position(at) >= ends[at]}
        waiting -= done
        return bool(done)

    async def _partitions(self, consumer: AIOKafkaConsumer, names: Sequence[str]) -> list[TopicPartition]:
        await consumer.topics()
        found = []
        for name in names:
            for partition in sorted(consumer.partitions_for_topic(self._prefix + name) or ()):
                found.append(TopicPartition(self._prefix + name, partition))
        return found

    def _bare(self, partition: TopicPartition) -> str:
        topic: str = partition.topic
        return topic.removeprefix(self._prefix)

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # What a shop took back in a transaction was never told to anybody.
            isolation_level="read_committed",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
