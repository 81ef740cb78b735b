"""Events that cannot be published, and those that wait behind one so that the order of their key is kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging.records import Record
from shared.messaging.repository.outbox import unpack_headers

_KEPT = "id, topic, key, headers, value, created_at"
_LONGEST_REASON = 500

_PUT = text(
    f"""
    WITH moved AS (DELETE FROM outbox WHERE id = :id RETURNING {_KEPT})
    INSERT INTO outbox_set_aside ({_KEPT}, tries, retry_at, reason, whole_topic)
    SELECT {_KEPT}, 1, now() + make_interval(secs => :pause), :reason, :whole_topic FROM moved
    """  # noqa: S608  # composed of column names
)
_WAIT = text(
    f"""
    WITH moved AS (DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[])) RETURNING {_KEPT})
    INSERT INTO outbox_set_aside ({_KEPT}) SELECT {_KEPT} FROM moved
    """  # noqa: S608  # likewise
)
_COUNT = text("SELECT count(*) FROM (SELECT FROM outbox_set_aside LIMIT 100000) AS them")
_DUE = text(
    """
    SELECT id, topic, key, headers, value, tries, reason
    FROM outbox_set_aside WHERE tries > 0 AND retry_at <= now() ORDER BY id LIMIT :limit
    """
)
_FAILED = text(
    """
    UPDATE outbox_set_aside
    SET tries = tries + 1, retry_at = now() + make_interval(secs => :pause),
        reason = :reason, whole_topic = :whole_topic
    WHERE id = :id
    """
)
_REMOVE = text("DELETE FROM outbox_set_aside WHERE id = :id")
_REMOVE_REPLACED = text(
    """
    DELETE FROM outbox_set_aside AS older WHERE id = :id AND EXISTS (
        SELECT FROM outbox_set_aside AS newer
        WHERE newer.topic = older.topic AND newer.key = older.key AND newer.id > older.id
    )
    """
)
# Back with its old id, so before all that was committed later.
_HASTEN = text("UPDATE outbox_set_aside SET retry_at = now() WHERE tries > 0 AND reason = :reason")
_HASTEN_TOPICS = text("UPDATE outbox_set_aside SET retry_at = now() WHERE tries > 0 AND whole_topic")
_RELEASE = text(
    f"""
    WITH free AS (
        SELECT id FROM outbox_set_aside AS waiting
        WHERE tries = 0
          AND NOT EXISTS (
              SELECT FROM outbox_set_aside AS first
              WHERE first.tries > 0 AND first.topic = waiting.topic AND first.key = waiting.key
                AND first.id < waiting.id
          )
          AND NOT EXISTS (
              SELECT FROM outbox_set_aside AS first
              WHERE first.tries > 0 AND first.whole_topic AND first.topic = waiting.topic
          )
        ORDER BY id LIMIT :limit
    ), moved AS (
        DELETE FROM outbox_set_aside WHERE id IN (SELECT id FROM free) RETURNING {_KEPT}
    )
    INSERT INTO outbox ({_KEPT}) OVERRIDING SYSTEM VALUE SELECT {_KEPT} FROM moved
    """  # noqa: S608  # composed of column names
)


@dataclass(frozen=True, slots=True)
class SetAside:
    """An event that was tried in vain ``tries`` times, most recently for this reason."""

    outbox_id: int
    record: Record
    tries: int
    reason: str


async def put(
    connection: AsyncConnection, outbox_id: int, *, reason: str, whole_topic: bool, pause_seconds: float
) -> None:
    """Moves an event here from the outbox, to be tried again after the pause."""
    await connection.execute(
        _PUT,
        {"id": outbox_id, "reason": reason[:_LONGEST_REASON], "whole_topic": whole_topic, "pause": pause_seconds},
    )


async def wait(connection: AsyncConnection, outbox_ids: Sequence[int]) -> None:
    """Moves events here from the outbox that have to wait behind one that is here."""
    await connection.execute(_WAIT, {"ids": list(outbox_ids)})


async def count(connection: AsyncConnection) -> int:
    """How many are here; counts to 100,000."""
    return int((await connection.execute(_COUNT)).scalar_one())


async def due(connection: AsyncConnection, limit: int) -> list[SetAside]:
    """Those to be tried again now, in order."""
    rows = await connection.execute(_DUE, {"limit": limit})
    return [
        SetAside(
            row.id,
            Record(topic=row.topic, key=row.key, value=row.value, headers=unpack_headers(row.headers)),
            row.tries,
            row.reason,
        )
        for row in rows
    ]


async def failed(
    connection: AsyncConnection, outbox_id: int, *, reason: str, whole_topic: bool, pause_seconds: float
) -> None:
    """It was tried in vain once more."""
    await connection.execute(
        _FAILED,
        {"id": outbox_id, "reason": reason[:_LONGEST_REASON], "whole_topic": whole_topic, "pause": pause_seconds},
    )


async def remove(connection: AsyncConnection, outbox_id: int) -> None:
    await connection.execute(_REMOVE, {"id": outbox_id})


async def remove_if_replaced(connection: AsyncConnection, outbox_id: int) -> bool:
    """Whether it was removed, because a later event of its topic and key waits behind it."""
    return (await connection.execute(_REMOVE_REPLACED, {"id": outbox_id})).rowcount > 0


async def hasten(connection: AsyncConnection, *, reason: str) -> None:
    """All that were refused for this reason are to be tried again now."""
    await connection.execute(_HASTEN, {"reason": reason})


async def hasten_topics(connection: AsyncConnection) -> None:
    """All at whose topic the fault lies are to be tried again now."""
    await connection.execute(_HASTEN_TOPICS)


async def release(connection: AsyncConnection, limit: int) -> int:
    """Moves those that wait for nothing any more back to the outbox, at most ``limit``, and returns how many."""
    return (await connection.execute(_RELEASE, {"limit": limit})).rowcount
