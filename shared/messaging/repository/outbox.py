"""The outbox: records to publish, in the order they were written."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.cloudevents import Headers
from shared.messaging.records import Record
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

_ROW = Columns(topic="text", key="bytea", headers="text", value="bytea")
_PUT = Statement(
    f"INSERT INTO outbox ({_ROW.names}) SELECT {_ROW.values} FROM {_ROW.given_in_order} ORDER BY place"  # noqa: S608  # composed of column names, never values
)
# With the numbers of the statement's snapshot by which outbox_walk.py knows what else may come before these.
_OLDEST = Statement(
    """
    SELECT id, topic, key, headers, value,
           CAST(EXTRACT(epoch FROM clock_timestamp() - created_at) AS double precision) AS age,
           CAST(CAST(pg_snapshot_xmin(snapshot) AS text) AS bigint) AS xmin,
           CAST(CAST(pg_snapshot_xmax(snapshot) AS text) AS bigint) AS xmax,
           CASE WHEN (SELECT EXISTS (SELECT FROM outbox_set_aside)) THEN
               EXISTS (SELECT FROM outbox_set_aside AS first WHERE first.topic = oldest.topic
                       AND first.key = oldest.key AND first.id < oldest.id)
               OR EXISTS (SELECT FROM outbox_set_aside AS first WHERE first.topic = oldest.topic AND first.whole_topic)
           ELSE false END AS waits
    FROM (
        SELECT *, coalesce(sum(octet_length(value)) OVER (ORDER BY id), 0) - coalesce(octet_length(value), 0)
            AS bytes_before
        FROM outbox
        WHERE id > :after
        ORDER BY id
        LIMIT :limit
    ) AS oldest, pg_current_snapshot() AS snapshot
    WHERE bytes_before < :most_bytes
    ORDER BY id
    """
)
_REMOVE = Statement("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))")


@dataclass(frozen=True, slots=True)
class Unpublished:
    """A record of the outbox and its age in real seconds; ``waits`` if one that was set aside must come first."""

    outbox_id: int
    record: Record
    age_seconds: float
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Oldest:
    """The first records of the outbox. ``xmin`` and ``xmax`` are those of the snapshot in which they were read: the
    first transaction that was still at work, and the first that had not begun; both 0 if there are no records."""

    records: Sequence[Unpublished]
    xmin: int = 0
    xmax: int = 0


async def put(connection: AsyncConnection, records: Sequence[Record]) -> None:
    """Adds the records; the relay publishes them in this order once the transaction has committed."""
    if records:
        values = _ROW.attributes(records)
        values["headers"] = [pack_headers(record.headers) for record in records]
        await _PUT.changes(connection, values)


async def oldest(connection: AsyncConnection, limit: int, *, most_bytes: int, after: int = 0) -> Oldest:
    """The first ``limit`` behind the number ``after``, in order; no more after those whose values together have
    ``most_bytes``, but at least one."""
    rows = await _OLDEST.rows(connection, {"limit": limit, "most_bytes": most_bytes, "after": after})
    if not rows:
        return Oldest(())
    records = [
        Unpublished(
            row["id"],
            Record(topic=row["topic"], key=row["key"], value=row["value"], headers=unpack_headers(row["headers"])),
            row["age"],
            row["waits"],
        )
        for row in rows
    ]
    return Oldest(records, rows[0]["xmin"], rows[0]["xmax"])


async def remove(connection: AsyncConnection, outbox_ids: Iterable[int]) -> None:
    await _REMOVE.changes(connection, {"ids": list(outbox_ids)})


def pack_headers(headers: Headers) -> str:
    """Headers as JSON text; Latin-1 maps every byte to one character and back, whatever the encoding."""
    pairs = [[name, None if value is None else value.decode("latin-1")] for name, value in headers]
    packed = orjson.dumps(pairs)
    return packed.decode() if packed.isascii() else json.dumps(pairs)


def unpack_headers(packed: str) -> list[tuple[str, bytes | None]]:
    return [(name, None if value is None else value.encode("latin-1")) for name, value in orjson.loads(packed)]
