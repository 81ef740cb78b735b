"""Consumer positions in PostgreSQL, moved by compare-and-set."""

from collections.abc import Mapping

from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Positions = dict[TopicPartition, int]
"""Partition to the offset of the next record to handle."""

_LOAD = text("SELECT topic, partition, next_offset FROM consumer_positions WHERE consumer = :consumer")

# The first time a partition is seen; a no-op if a replica was faster.
_INTRODUCE = text(
    """
    INSERT INTO consumer_positions (consumer, topic, partition, next_offset)
    SELECT :consumer, topic, partition, next_offset
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))
         AS seen (topic, partition, next_offset)
    ON CONFLICT DO NOTHING
    """
)

# The fence. Rows are always locked in the same order, so that overlapping replicas wait instead of deadlocking.
_ADVANCE = text(
    """
    WITH step AS (
        SELECT topic, partition, expected, next
        FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]),
                    CAST(:expected AS bigint[]), CAST(:next AS bigint[]))
             AS step (topic, partition, expected, next)
    ), held AS (
        SELECT position.topic, position.partition, step.next
        FROM consumer_positions AS position
        JOIN step ON step.topic = position.topic AND step.partition = position.partition
        WHERE position.consumer = :consumer AND position.next_offset = step.expected
        ORDER BY position.topic, position.partition
        FOR UPDATE OF position
    )
    UPDATE consumer_positions AS position
    SET next_offset = held.next, changed_at = now()
    FROM held
    WHERE position.consumer = :consumer AND position.topic = held.topic AND position.partition = held.partition
    """
)


class Fenced(Exception):
    """Another process has moved a position since it was read here: this batch is no longer ours to commit."""


async def load(connection: AsyncConnection, consumer: str) -> Positions:
    rows = await connection.execute(_LOAD, {"consumer": consumer})
    return {TopicPartition(topic, partition): next_offset for topic, partition, next_offset in rows}


async def introduce(connection: AsyncConnection, consumer: str, beginnings: Mapping[TopicPartition, int]) -> None:
    partitions = sorted(beginnings)
    await connection.execute(
        _INTRODUCE,
        {
            "consumer": consumer,
            "topics": [partition.topic for partition in partitions],
            "partitions": [partition.partition for partition in partitions],
            "offsets": [beginnings[partition] for partition in partitions],
        },
    )


async def advance(connection: AsyncConnection, consumer: str, *, expected: Positions, following: Positions) -> None:
    """Moves every partition of ``following`` from ``expected``, or raises Fenced when one has another value."""
    partitions = sorted(following)
    result = await connection.execute(
        _ADVANCE,
        {
            "consumer": consumer,
            "topics": [partition.topic for partition in partitions],
            "partitions": [partition.partition for partition in partitions],
            "expected": [expected[partition] for partition in partitions],
            "next": [following[partition] for partition in partitions],
        },
    )
    if result.rowcount != len(partitions):
        raise Fenced(
            f"{len(partitions) - result.rowcount} of {len(partitions)} positions were moved by another process"
        )
