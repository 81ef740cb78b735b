"""Consumer positions in PostgreSQL, moved by compare-and-set."""

from collections.abc import Mapping
from datetime import datetime

from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.columns import Columns

Positions = dict[TopicPartition, int]
"""Partition to the offset of the next record to handle."""

_ROW = Columns(topic="text", partition="integer", next_offset="bigint")
_STEP = Columns(topic="text", partition="integer", expected="bigint", next="bigint")

_NOW = text("SELECT clock_timestamp()")
_LOAD = text("SELECT topic, partition, next_offset FROM consumer_positions WHERE consumer = :consumer")

# The first time a partition is seen; a no-op if a replica was faster.
_INTRODUCE = text(
    f"""
    INSERT INTO consumer_positions (consumer, {_ROW.names}) SELECT :consumer, {_ROW.values} FROM {_ROW.given}
    ON CONFLICT DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)

# The fence. Rows are always locked in the same order, so that overlapping replicas wait instead of deadlocking.
_ADVANCE = text(
    f"""
    WITH held AS (
        SELECT position.topic, position.partition, given.next
        FROM consumer_positions AS position
        JOIN {_STEP.given} ON given.topic = position.topic AND given.partition = position.partition
        WHERE position.consumer = :consumer AND position.next_offset = given.expected
        ORDER BY position.topic, position.partition
        FOR UPDATE OF position
    )
    UPDATE consumer_positions AS position
    SET next_offset = held.next, changed_at = now()
    FROM held
    WHERE position.consumer = :consumer AND position.topic = held.topic AND position.partition = held.partition
    """  # noqa: S608  # composed of column names, never values
)


class Fenced(Exception):
    """Another process has moved a position since it was read here: this batch is no longer ours to commit."""


async def now(connection: AsyncConnection) -> datetime:
    """The database's time: what committed before was visible to whoever looks after."""
    found: datetime = (await connection.execute(_NOW)).scalar_one()
    return found


async def load(connection: AsyncConnection, consumer: str) -> Positions:
    rows = await connection.execute(_LOAD, {"consumer": consumer})
    return {TopicPartition(topic, partition): next_offset for topic, partition, next_offset in rows}


async def introduce(connection: AsyncConnection, consumer: str, beginnings: Mapping[TopicPartition, int]) -> None:
    rows = (
        {"topic": topic, "partition": partition, "next_offset": offset}
        for (topic, partition), offset in sorted(beginnings.items())
    )
    await connection.execute(_INTRODUCE, {**_ROW.parameters(rows), "consumer": consumer})


async def advance(connection: AsyncConnection, consumer: str, *, expected: Positions, following: Positions) -> None:
    """Moves every partition of ``following`` from ``expected``, or raises Fenced when one has another value."""
    steps = (
        {"topic": topic, "partition": partition, "expected": expected[TopicPartition(topic, partition)], "next": offset}
        for (topic, partition), offset in following.items()
    )
    result = await connection.execute(_ADVANCE, {**_STEP.parameters(steps), "consumer": consumer})
    if result.rowcount != len(following):
        raise Fenced(f"{len(following) - result.rowcount} of {len(following)} positions were moved by another process")
