"""Reads whole topics, from the first retained record to the last, with the audit's own decoder."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared.kafka_settings import KafkaSettings
from shared.messaging.broker import Broker
from shared.messaging.unpacking import RawRecord, unpack
from tools.audit.records import Offsets, Record

STALL_SECONDS = 30
_NO_TIME = datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000
_POLL_MILLISECONDS = 200
_MOST_RECORDS = 10_000
_FETCH_BYTES = 4 * 1024 * 1024


class UnknownTopic(Exception):
    """The cluster has no partitions of a topic; the message names it."""


def _real_time(milliseconds: int) -> datetime | None:
    """None for a record without a timestamp, or with one that is no time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if 0 < milliseconds < _NO_TIME else None


class Topics:
    """A cluster's topics, read by assignment: joins no consumer group and commits nothing."""

    def __init__(self, kafka: KafkaSettings, *, prefix: str = "") -> None:
        self._kafka = kafka
        self._prefix = prefix

    async def names(self) -> set[str]:
        """Every topic that has the prefix, without it."""
        async with self._consumer() as consumer:
            names = await consumer.topics()
        return {name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)}

    async def beginnings(self, names: Sequence[str]) -> Offsets:
        """The first offset of each partition; above 0 once Kafka has deleted its oldest records."""
        async with self._consumer(names, "latest") as consumer:
            beginnings = await consumer.beginning_offsets(self._partitions(consumer, names))
        return {(at.topic.removeprefix(self._prefix), at.partition): first for at, first in beginnings.items()}

    @asynccontextmanager
    async def ends(self, names: Sequence[str]) -> AsyncIterator[Callable[[], Awaitable[Offsets]]]:
        """Yields a function that returns the current end offsets; it can be called repeatedly within the block."""
        async with self._consumer(names, "latest") as consumer:
            partitions = self._partitions(consumer, names)

            async def current_ends() -> Offsets:
                ends = await consumer.end_offsets(partitions)
                return {(at.topic.removeprefix(self._prefix), at.partition): end for at, end in ends.items()}

            yield current_ends

    async def read(self, names: Sequence[str]) -> AsyncIterator[Record]:
        """Every record of these topics up to their current end, in order within each partition.

        Raises TimeoutError when the broker stops delivering records.
        """
        async with self._consumer(names, "earliest") as consumer:
            partitions = self._partitions(consumer, names)
            beginnings = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            unfinished = {at for at in partitions if beginnings[at] < ends[at]}
            positions = {at: beginnings[at] for at in unfinished}
            progress_at = time.monotonic()
            while unfinished:
                # Returns early only for records, and not for the transaction markers in which a partition may end.
                try:
                    batches = await self._fetch(consumer, unfinished)
                except (KafkaError, TimeoutError):
                    raise
                except Exception as error:
                    batches = await self._unpack(consumer, positions, error)
                for at, records in batches.items():
                    for record in records:
                        if record.offset < ends[at]:
                            yield record
                # By position rather than by the last record: a compacted topic may end in offsets without a record.
                before, positions = positions, {at: await consumer.position(at) for at in unfinished}
                done = {at for at in unfinished if positions[at] >= ends[at]}
                if batches or positions != before:
                    progress_at = time.monotonic()
                elif time.monotonic() - progress_at > STALL_SECONDS:
                    topics = ", ".join(sorted({at.topic for at in unfinished}))
                    raise TimeoutError(f"no records arrived for {STALL_SECONDS} s from {topics}")
                unfinished -= done

    async def _fetch(
        self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, list[Record]]:
        fetched = await consumer.getmany(*partitions, timeout_ms=_POLL_MILLISECONDS, max_records=_MOST_RECORDS)
        return {at: [self._record(at, record) for record in records] for at, records in fetched.items()}

    async def _unpack(
        self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int], error: Exception
    ) -> dict[TopicPartition, list[Record]]:
        """What follows these positions, unpacked as the services do when aiokafka cannot, as it just could not.

        Raises ``error`` when it gets no further either.
        """
        broker = Broker(self._kafka, {at.topic for at in positions}, client="audit")
        found: dict[TopicPartition, list[Record]] = {}
        further = False
        try:
            for at, position in positions.items():
                fetched = await broker.fetch(at, position, most_bytes=_FETCH_BYTES)
                unpacked = unpack(at, fetched, position, most=_MOST_RECORDS, give_up=True)
                consumer.seek(at, unpacked.following)
                further |= unpacked.following > position
                found[at] = [self._record(at, record, damaged=record.fault is not None) for record in unpacked.records]
        finally:
            await broker.close()
        if not further:
            raise error
        return found

    def _record(
        self,
        at: TopicPartition,
        record: "ConsumerRecord[bytes, bytes] | RawRecord",
        *,
        damaged: bool = False,
    ) -> Record:
        return Record(
            topic=at.topic.removeprefix(self._prefix),
            partition=at.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=record.headers,
            published=_real_time(record.timestamp),
            damaged=damaged,
        )

    def _partitions(self, consumer: AIOKafkaConsumer, names: Sequence[str]) -> list[TopicPartition]:
        """All assigned partitions. Raises UnknownTopic for a topic without any, whose records would be missed."""
        partitions = sorted(consumer.assignment())
        missing = {self._prefix + name for name in names} - {partition.topic for partition in partitions}
        if missing:
            raise UnknownTopic(f"no known partition of {', '.join(sorted(missing))}")
        return partitions

    @asynccontextmanager
    async def _consumer(self, names: Sequence[str] = (), beginning: str = "latest") -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer of every partition of these topics; without a group they are not shared."""
        consumer = AIOKafkaConsumer(
            *(self._prefix + name for name in names),
            **self._kafka.connection(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset=beginning,
            # Records of aborted transactions were never visible to any consumer.
            isolation_level="read_committed",
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()
