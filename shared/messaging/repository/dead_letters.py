"""Which records became dead letters, and why; their bytes are in the dead letter topics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging.records import DeadLetter
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

_ROW = Columns(
    topic="text",
    partition="integer",
    record_offset="bigint",
    reason="text",
    event_id="text",
    records="integer",
    subjects="text[]",
)
# A grant counts anew from its moment on.
_ROOM = Statement(
    """
    SELECT greatest(CAST(:limit AS bigint), grants.records) - (
        SELECT count(*) FROM dead_letters
        WHERE consumer = :consumer AND topic = :topic
          AND recorded_at > greatest(now() - interval '1 hour', grants.granted_at)
    )
    FROM (SELECT 1) AS always
    LEFT JOIN dead_letter_grants AS grants
      ON grants.consumer = :consumer AND grants.topic = :topic AND grants.granted_at > now() - interval '1 hour'
    """
)
_REASONS = text(
    """
    SELECT reason, count(*) AS times FROM dead_letters
    WHERE consumer = :consumer AND topic = :topic AND recorded_at > now() - interval '1 hour'
    GROUP BY reason ORDER BY times DESC, reason LIMIT :most
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
# The planner must not read more than a bounded number of them, however many there are about one key.
_ABOUT = text(
    """
    SELECT consumer, topic, partition, record_offset, reason, event_id, recorded_at, state
    FROM (SELECT * FROM dead_letters WHERE subjects && CAST(:subjects AS text[]) LIMIT 1000) AS found
    ORDER BY recorded_at DESC, topic, partition, record_offset
    LIMIT :most
    """
)
_PRUNE = text(
    """
    DELETE FROM dead_letters
    WHERE (consumer, topic, partition, record_offset) IN (
        SELECT consumer, topic, partition, record_offset FROM dead_letters
        WHERE consumer = :consumer AND recorded_at < now() - make_interval(secs => :seconds)
        LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)


async def room(connection: AsyncConnection, consumer: str, *, topic: str, limit: int) -> int:
    """How many more of the topic's records may become dead letters now: ``limit`` an hour, or what was granted."""
    wanted = {"consumer": consumer, "topic": topic, "limit": limit}
    return max(0, int(await _ROOM.value(connection, wanted)))


async def reasons(connection: AsyncConnection, consumer: str, *, topic: str, most: int = 5) -> dict[str, int]:
    """The ``most`` frequent reasons of the last hour, with how often each occurred."""
    rows = await connection.execute(_REASONS, {"consumer": consumer, "topic": topic, "most": most})
    return {row.reason: row.times for row in rows}


async def add(connection: AsyncConnection, consumer: str, letters: Sequence[tuple[DeadLetter, Sequence[str]]]) -> None:
    """Adds the letters, each with its subjects (``messaging.subjects``)."""
    rows = (
        {
            "topic": letter.topic,
            "partition": letter.partition,
            "record_offset": letter.offset,
            "reason": letter.short_reason,
            "event_id": letter.event_id,
            "records": letter.records,
            "subjects": "{" + ",".join(about) + "}",  # hexadecimal digits need no quotes
        }
        for letter, about in letters
    )
    await connection.execute(_ADD, {**_ROW.parameters(rows), "consumer": consumer})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLetter:
    """A dead letter as its table tells of it; ``state`` is ``set_aside``, ``put_back`` or ``skipped``."""

    consumer: str
    topic: str
    partition: int
    offset: int
    reason: str
    event_id: str | None
    recorded_at: datetime
    state: str

    @property
    def letter_id(self) -> str:
        """By which ``hearback letters`` finds it."""
        return f"{self.consumer}/{self.topic}/{self.partition}/{self.offset}"


async def about(connection: AsyncConnection, subjects: Sequence[str], *, most: int) -> list[StoredLetter]:
    """The newest letters of the schema's consumers about any of the subjects."""
    rows = await connection.execute(_ABOUT, {"subjects": list(subjects), "most": most})
    return [
        StoredLetter(
            consumer=row.consumer,
            topic=row.topic,
            partition=row.partition,
            offset=row.record_offset,
            reason=row.reason,
            event_id=row.event_id,
            recorded_at=row.recorded_at,
            state=row.state,
        )
        for row in rows
    ]


async def prune(connection: AsyncConnection, consumer: str, *, days: float, limit: int) -> int:
    """Deletes up to ``limit`` letters set aside more than ``days`` (of real time) ago; returns how many.

    The clock is the database's, by which they were recorded.
    """
    wanted = {"consumer": consumer, "seconds": days * 86_400, "limit": limit}
    return (await connection.execute(_PRUNE, wanted)).rowcount


async def grant(connection: AsyncConnection, consumer: str, *, topic: str, records: int) -> None:
    """Lets up to ``records`` more of the topic become dead letters within the next hour, whatever the limit is.

    A consumer that stands still at the limit goes on within seconds.
    """
    await connection.execute(_GRANT, {"consumer": consumer, "topic": topic, "records": records})
