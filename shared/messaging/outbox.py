"""Events to publish, written in the transaction that makes them true."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import cloudevents
from shared.contracts.cloudevents import Headers
from shared.contracts.events import Event

_PUT = text(
    """
    INSERT INTO outbox (topic, key, headers, value)
    SELECT topic, key, headers, value
    FROM unnest(CAST(:topics AS text[]), CAST(:keys AS bytea[]), CAST(:headers AS text[]), CAST(:values AS bytea[]))
         WITH ORDINALITY AS event (topic, key, headers, value, position)
    ORDER BY position
    """
)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as Kafka will hold it. ``topic`` is the catalogue's name."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


class Outbox:
    """``source`` names us in ``ce_source``, such as ``/hearback/scorer``."""

    def __init__(self, source: str) -> None:
        self.source = source

    async def put(self, connection: AsyncConnection, events: Sequence[Event]) -> None:
        """Adds the events to the transaction; the relay publishes them in this order once it has committed."""
        records = []
        for event in events:
            headers, value = cloudevents.write(event, self.source)
            records.append(Record(event.topic, event.key.encode(), value, headers))
        await put_records(connection, records)


async def put_records(connection: AsyncConnection, records: Sequence[Record]) -> None:
    """The same for records that are no events of ours: dead letters keep the bytes they came with."""
    if not records:
        return
    await connection.execute(
        _PUT,
        {
            "topics": [record.topic for record in records],
            "keys": [record.key for record in records],
            "headers": [pack_headers(record.headers) for record in records],
            "values": [record.value for record in records],
        },
    )


def pack_headers(headers: Headers) -> str:
    """Headers as JSON text; Latin-1 maps every byte to one character and back, whatever encoding it was."""
    return json.dumps([[name, None if value is None else value.decode("latin-1")] for name, value in headers])


def unpack_headers(packed: str) -> list[tuple[str, bytes | None]]:
    return [(name, None if value is None else value.encode("latin-1")) for name, value in json.loads(packed)]
