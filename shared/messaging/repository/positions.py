"""Consumer positions in PostgreSQL, moved by compare-and-set."""

from collections.abc import Mapping
from datetime import datetime

from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging.topic_identity import TopicIdentity
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

Positions = dict[TopicPartition, int]
"""Partition to the offset of the next record to handle."""

_ROW = Columns(topic="text", partition="integer", next_offset="bigint")
_STEP = Columns(topic="text", partition="integer", expected="bigint", next="bigint")

_NOW = text("SELECT clock_timestamp()")
_LOAD = text("SELECT topic, partition, next_offset FROM consumer_positions WHERE consumer = :consumer")

_LOAD_IDENTITIES = text(
    """
    SELECT topic, partition, cluster_id, topic_id FROM consumer_positions
    WHERE consumer = :consumer AND cluster_id IS NOT NULL AND topic_id IS NOT NULL
    """
)
_IDENTIFIED = Columns(topic="text", partition="integer", cluster_id="text", topic_id="uuid")
_IDENTIFY = text(
    f"""
    UPDATE consumer_positions AS position SET cluster_id = given.cluster_id, topic_id = given.topic_id
    FROM {_IDENTIFIED.given}
    WHERE consumer = :consumer AND position.topic = given.topic AND position.partition = given.partition
      AND position.topic_id IS NULL
    """  # noqa: S608  # composed of column names, never values
)
_BEGINNING = Columns(topic="text", partition="integer", cluster_id="text", topic_id="uuid", next_offset="bigint")
_BEGIN_AGAIN = text(
    f"""
    WITH held AS (
        SELECT given.* FROM consumer_positions AS position
        JOIN {_BEGINNING.given} ON given.topic = position.topic AND given.partition = position.partition
        WHERE position.consumer = :consumer AND position.topic_id IS DISTINCT FROM given.topic_id
        ORDER BY position.topic, position.partition
        FOR UPDATE OF position
    )
    UPDATE consumer_positions AS position
    SET next_offset = held.next_offset, cluster_id = held.cluster_id, topic_id = held.topic_id, changed_at = now()
    FROM held
    WHERE position.consumer = :consumer AND position.topic = held.topic AND position.partition = held.partition
    RETURNING position.topic, position.partition
    """  # noqa: S608  # composed of column names, never values
)

# The first time a partition is seen; a no-op if a replica was faster.
_INTRODUCE = text(
    f"""
    INSERT INTO consumer_positions (consumer, {_ROW.names}) SELECT :consumer, {_ROW.values} FROM {_ROW.given}
    ON CONFLICT DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)

# The fence. Rows are always locked in the same order, so that overlapping replicas wait instead of deadlocking.
_ADVANCE = Statement(
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


async def load_identities(connection: AsyncConnection, consumer: str) -> dict[TopicPartition, TopicIdentity]:
    """Which topic each position is in, where that is known."""
    rows = await connection.execute(_LOAD_IDENTITIES, {"consumer": consumer})
    return {TopicPartition(row.topic, row.partition): TopicIdentity(row.cluster_id, row.topic_id) for row in rows}


async def identify(connection: AsyncConnection, consumer: str, found: Mapping[TopicPartition, TopicIdentity]) -> None:
    """Stores which topic these positions are in, where that is not known."""
    rows = (
        {"topic": at.topic, "partition": at.partition, "cluster_id": each.cluster_id, "topic_id": each.topic_id}
        for at, each in sorted(found.items())
    )
    await connection.execute(_IDENTIFY, {**_IDENTIFIED.parameters(rows), "consumer": consumer})


async def begin_again(
    connection: AsyncConnection,
    consumer: str,
    beginnings: Mapping[TopicPartition, int],
    topics: Mapping[TopicPartition, TopicIdentity],
) -> set[TopicPartition]:
    """Moves these positions to the beginning of another topic; returns those that were not in it yet."""
    rows = (
        {
            "topic": at.topic,
            "partition": at.partition,
            "cluster_id": topics[at].cluster_id,
            "topic_id": topics[at].topic_id,
            "next_offset": offset,
        }
        for at, offset in sorted(beginnings.items())
    )
    moved = await connection.execute(_BEGIN_AGAIN, {**_BEGINNING.parameters(rows), "consumer": consumer})
    return {TopicPartition(row.topic, row.partition) for row in moved}


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
    moved = await _ADVANCE.changes(connection, {**_STEP.parameters(steps), "consumer": consumer})
    if moved != len(following):
        raise Fenced(f"{len(following) - moved} of {len(following)} positions were moved by another process")
