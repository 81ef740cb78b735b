"""Which records became dead letters, and why; their bytes are in the dead letter topics."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging.records import DeadLetter

LONGEST_REASON = 1_000

_RECENT = text(
    """
    SELECT count(*) FROM dead_letters
    WHERE consumer = :consumer AND topic = :topic AND recorded_at > now() - interval '1 hour'
    """
)
_ADD = text(
    """
    INSERT INTO dead_letters (consumer, topic, partition, record_offset, reason)
    SELECT :consumer, topic, partition, record_offset, reason
    FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]),
                CAST(:reasons AS text[])) AS letter (topic, partition, record_offset, reason)
    ON CONFLICT DO NOTHING
    """
)


async def recent(connection: AsyncConnection, consumer: str, *, topic: str) -> int:
    """The number of the consumer's dead letters of the topic in the last hour."""
    return int((await connection.execute(_RECENT, {"consumer": consumer, "topic": topic})).scalar_one())


async def add(connection: AsyncConnection, consumer: str, letters: Sequence[DeadLetter]) -> None:
    await connection.execute(
        _ADD,
        {
            "consumer": consumer,
            "topics": [letter.topic for letter in letters],
            "partitions": [letter.partition for letter in letters],
            "offsets": [letter.offset for letter in letters],
            "reasons": [letter.reason[:LONGEST_REASON] for letter in letters],
        },
    )
