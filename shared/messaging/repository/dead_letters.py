"""Which records became dead letters, and why; their bytes are in the dead letter topics."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging.records import DeadLetter
from shared.persistence.columns import Columns

_ROW = Columns(topic="text", partition="integer", record_offset="bigint", reason="text")
_RECENT = text(
    """
    SELECT count(*) FROM dead_letters
    WHERE consumer = :consumer AND topic = :topic AND recorded_at > now() - interval '1 hour'
    """
)
_GRANT = text(
    """
    INSERT INTO dead_letter_grants (consumer, topic, records) VALUES (:consumer, :topic, :records)
    ON CONFLICT (consumer, topic) DO UPDATE SET granted_at = now(), records = excluded.records
    """
)
_ADD = text(
    f"""
    INSERT INTO dead_letters (consumer, {_ROW.names}) SELECT :consumer, {_ROW.values} FROM {_ROW.given}
    ON CONFLICT DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)


async def recent(connection: AsyncConnection, consumer: str, *, topic: str) -> int:
    """The number of the consumer's dead letters of the topic in the last hour."""
    return int((await connection.execute(_RECENT, {"consumer": consumer, "topic": topic})).scalar_one())


async def add(connection: AsyncConnection, consumer: str, letters: Sequence[DeadLetter]) -> None:
    rows = (
        {
            "topic": letter.topic,
            "partition": letter.partition,
            "record_offset": letter.offset,
            "reason": letter.short_reason,
        }
        for letter in letters
    )
    await connection.execute(_ADD, {**_ROW.parameters(rows), "consumer": consumer})


async def grant(connection: AsyncConnection, consumer: str, *, topic: str, records: int) -> None:
    """Lets up to ``records`` more of the topic become dead letters within the next hour, whatever the limit is.

    A consumer that stands still at the limit goes on within seconds.
    """
    await connection.execute(_GRANT, {"consumer": consumer, "topic": topic, "records": records})
