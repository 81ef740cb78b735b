"""The outbox: records to publish, in the order they were written."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.cloudevents import Headers
from shared.messaging.records import Record
from shared.persistence.columns import Columns

_ROW = Columns(topic="text", key="bytea", headers="text", value="bytea")
_PUT = text(
    f"INSERT INTO outbox ({_ROW.names}) SELECT {_ROW.values} FROM {_ROW.given_in_order} ORDER BY place"  # noqa: S608  # composed of column names, never values
)
_OLDEST = text(
    """
    SELECT id, topic, key, headers, value, EXTRACT(epoch FROM clock_timestamp() - created_at) AS age,
           CASE WHEN (SELECT EXISTS (SELECT FROM outbox_set_aside)) THEN
               EXISTS (SELECT FROM outbox_set_aside AS first WHERE first.topic = oldest.topic
                       AND first.key = oldest.key AND first.id < oldest.id)
               OR EXISTS (SELECT FROM outbox_set_aside AS first WHERE first.topic = oldest.topic AND first.whole_topic)
           ELSE false END AS waits
    FROM (
        SELECT *, coalesce(sum(octet_length(value)) OVER (ORDER BY id), 0) - coalesce(octet_length(value), 0)
            AS bytes_before
        FROM outbox
        ORDER BY id
        LIMIT :limit
    ) AS oldest
    WHERE bytes_before < :most_bytes
    ORDER BY id
    """
)
_REMOVE = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))")


@dataclass(frozen=True, slots=True)
class Unpublished:
    """A record of the outbox and its age in real seconds; ``waits`` if one that was set aside must come first."""

    outbox_id: int
    record: Record
    age_seconds: float
    waits: bool = False


async def put(connection: AsyncConnection, records: Sequence[Record]) -> None:
    """Adds the records; the relay publishes them in this order once the transaction has committed."""
    if records:
        values = _ROW.attributes(records)
        values["headers"] = [pack_headers(record.headers) for record in records]
        await connection.execute(_PUT, values)


async def oldest(connection: AsyncConnection, limit: int, *, most_bytes: int) -> list[Unpublished]:
    """In order, at least one; no more after those whose values together have ``most_bytes``."""
    rows = await connection.execute(_OLDEST, {"limit": limit, "most_bytes": most_bytes})
    return [
        Unpublished(
            row.id,
            Record(topic=row.topic, key=row.key, value=row.value, headers=unpack_headers(row.headers)),
            float(row.age),
            row.waits,
        )
        for row in rows
    ]


async def remove(connection: AsyncConnection, outbox_ids: Iterable[int]) -> None:
    await connection.execute(_REMOVE, {"ids": list(outbox_ids)})


def pack_headers(headers: Headers) -> str:
    """Headers as JSON text; Latin-1 maps every byte to one character and back, whatever the encoding."""
    return json.dumps([[name, None if value is None else value.decode("latin-1")] for name, value in headers])


def unpack_headers(packed: str) -> list[tuple[str, bytes | None]]:
    return [(name, None if value is None else value.encode("latin-1")) for name, value in json.loads(packed)]
