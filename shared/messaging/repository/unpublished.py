"""Events that are not published yet, for an erasure: those in the outbox and those that were set aside."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.topics import DEAD_LETTER_SUFFIX
from shared.messaging.records import Record
from shared.messaging.repository.outbox import pack_headers, unpack_headers

# The relay moves events from one table to the other and back. Each statement sees what was committed before it, so
# that whatever moves once meanwhile is found where it was or where it is.
PLACES = ("outbox_set_aside", "outbox", "outbox_set_aside")
_ABOUT = {
    table: text(
        f"""
        SELECT id, topic, key, headers, value FROM {table}
        WHERE key = ANY(CAST(:keys AS bytea[]))
           OR topic LIKE :dead_letters AND EXISTS (
               SELECT FROM unnest(CAST(:words AS bytea[])) AS word WHERE position(word IN value) > 0)
        ORDER BY id FOR UPDATE
        """  # noqa: S608  # the table is one of ours
    )
    for table in PLACES
}
_REPLACE = {
    table: text(f"UPDATE {table} SET headers = :headers, value = :value WHERE id = :id")  # noqa: S608  # likewise
    for table in PLACES
}
_COMPACT = {
    table: text(
        f"""
        DELETE FROM {table} AS older
        WHERE key = ANY(CAST(:keys AS bytea[])) AND starts_with(topic, :prefix) AND topic NOT LIKE :dead_letters
          AND EXISTS (
              SELECT FROM (
                  SELECT id, topic, key FROM outbox UNION ALL SELECT id, topic, key FROM outbox_set_aside
              ) AS newer
              WHERE newer.topic = older.topic AND newer.key = older.key AND newer.id > older.id)
        """  # noqa: S608  # likewise
    )
    for table in PLACES
}
_DEAD_LETTERS = f"%{DEAD_LETTER_SUFFIX}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits in a table to be published."""

    outbox_id: int
    record: Record


async def about(
    connection: AsyncConnection, table: str, keys: Collection[bytes], words: Collection[bytes]
) -> list[Waiting]:
    """Those under one of the keys, and dead letters that have one of the words in their value; locked."""
    given = {"keys": list(keys), "words": list(words), "dead_letters": _DEAD_LETTERS}
    return [
        Waiting(row.id, Record(topic=row.topic, key=row.key, value=row.value, headers=unpack_headers(row.headers)))
        for row in await connection.execute(_ABOUT[table], given)
    ]


async def replace(connection: AsyncConnection, table: str, changed: Sequence[Waiting]) -> None:
    """Gives them other headers and values."""
    rows = [
        {"id": each.outbox_id, "headers": pack_headers(each.record.headers), "value": each.record.value}
        for each in changed
    ]
    if rows:
        await connection.execute(_REPLACE[table], rows)


async def compact(connection: AsyncConnection, topic_prefix: str, keys: Collection[bytes]) -> None:
    """Of each of the keys, leaves only the newest event of each topic whose name begins with the prefix."""
    given = {"keys": list(keys), "prefix": topic_prefix, "dead_letters": _DEAD_LETTERS}
    for table in PLACES:
        await connection.execute(_COMPACT[table], given)
