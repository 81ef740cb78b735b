"""Where a peer's counts are, and reading them while it runs and afterwards."""

import sqlite3
from pathlib import Path
from typing import Protocol

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.peers.oracle import Counts

_UNTIL_SILENT = 3.0
"""Seconds without a record after which a topic has been read, should its last offsets be those of markers."""


class Outcome(Protocol):
    async def progress(self) -> int:
        """A number that grows whenever counts are made durable, and not otherwise."""

    async def counts(self) -> Counts:
        """The counts that are durable now."""


class CountsInTopic:
    """The last committed record of each key in a topic; a value is a JSON list of three counts."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, partitions: int) -> None:
        """``consumer`` is started, has no group, and reads only what is committed."""
        self._consumer = consumer
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]

    async def progress(self) -> int:
        return sum((await self._consumer.end_offsets(self._partitions)).values())

    async def counts(self) -> Counts:
        consumer = self._consumer
        ends = await consumer.end_offsets(self._partitions)
        consumer.assign(self._partitions)
        await consumer.seek_to_beginning(*self._partitions)
        counts: dict[str, tuple[int, int, int]] = {}
        unread = {partition for partition, end in ends.items() if end > 0}
        silent = 0.0
        while unread and silent < _UNTIL_SILENT:
            batches = await consumer.getmany(timeout_ms=500, max_records=20_000)
            silent = 0.0 if batches else silent + 0.5
            for records in batches.values():
                for record in records:
                    if record.value is not None:
                        promoters, passives, detractors = orjson.loads(record.value)
                        counts[record.key.decode().strip('"')] = (promoters, passives, detractors)
            unread = {partition for partition in unread if await consumer.position(partition) < ends[partition]}
        consumer.unsubscribe()
        return counts


class CountsInFile:
    """The table ``counts`` of a SQLite file: key, promoters, passives, detractors."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def progress(self) -> int:
        return sum(sum(count) for key, count in (await self.counts()).items() if key.startswith("everybody|"))

    async def counts(self) -> Counts:
        try:
            database = sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)
        except sqlite3.OperationalError:
            return {}  # not there yet
        try:
            rows = database.execute("SELECT key, promoters, passives, detractors FROM counts").fetchall()
        except sqlite3.OperationalError:
            return {}  # its tables are not there yet
        finally:
            database.close()
        return {key: (promoters, passives, detractors) for key, promoters, passives, detractors in rows}
