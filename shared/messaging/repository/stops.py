"""Which partitions stand still, for every replica and for operators to see."""

from collections.abc import Iterable, Sequence

from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging.stops import Stop
from shared.persistence.columns import Columns

_ROW = Columns(topic="text", partition="integer", record_offset="bigint", cause="text", explanation="text")
_WRITE = text(
    f"""
    INSERT INTO stopped_partitions (consumer, {_ROW.names})
    SELECT :consumer, {_ROW.values} FROM {_ROW.given} ORDER BY topic, partition
    ON CONFLICT (consumer, topic, partition) DO UPDATE
    SET {_ROW.updates("excluded", but="topic")},
        stopped_at = CASE WHEN stopped_partitions.record_offset = excluded.record_offset
                          THEN stopped_partitions.stopped_at ELSE now() END
    """  # noqa: S608  # composed of column names, never values
)
_REMOVE = text(
    """
    DELETE FROM stopped_partitions AS stopped
    USING unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[])) AS given (topic, partition)
    WHERE stopped.consumer = :consumer AND stopped.topic = given.topic AND stopped.partition = given.partition
    """
)


def standing_partitions(schema: str = "") -> str:
    """The query for every partition that stands still now, whoever consumes it; its columns are the table's.

    ``schema`` (quoted) is where the tables are, if not in the session's own.
    """
    within = f"{schema}." if schema else ""
    # A row that a crash left behind is recognised by its position, which has moved on.
    return f"""
        SELECT stopped.* FROM {within}stopped_partitions AS stopped
        LEFT JOIN {within}consumer_positions AS position USING (consumer, topic, partition)
        WHERE coalesce(position.next_offset, 0) <= stopped.record_offset
    """  # noqa: S608  # composed of schema names, never values


_STANDING = text(
    f"SELECT * FROM ({standing_partitions()}) AS standing WHERE consumer = :consumer ORDER BY topic, partition"  # noqa: S608  # as above
)


async def write(connection: AsyncConnection, consumer: str, stops: Sequence[Stop]) -> None:
    """Records that these partitions stand still; each must name its partition."""
    if stops:
        rows = (
            {
                "topic": stop.topic,
                "partition": stop.partition,
                "record_offset": stop.offset,
                "cause": stop.cause,
                "explanation": stop.explanation,
            }
            for stop in stops
        )
        await connection.execute(_WRITE, {**_ROW.parameters(rows), "consumer": consumer})


async def remove(connection: AsyncConnection, consumer: str, partitions: Iterable[TopicPartition]) -> None:
    """Records that these partitions go on; a no-op for those that did not stand still."""
    pairs = sorted(partitions)
    if pairs:
        await connection.execute(
            _REMOVE,
            {
                "consumer": consumer,
                "topics": [topic for topic, _ in pairs],
                "partitions": [partition for _, partition in pairs],
            },
        )


async def standing(connection: AsyncConnection, consumer: str) -> list[Stop]:
    """The partitions of all replicas that stand still now."""
    rows = await connection.execute(_STANDING, {"consumer": consumer})
    return [
        Stop(
            topic=row.topic,
            partition=row.partition,
            offset=row.record_offset,
            cause=row.cause,
            explanation=row.explanation,
        )
        for row in rows
    ]
