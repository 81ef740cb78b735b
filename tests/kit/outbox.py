"""What a service has published, read from its outbox: without the relay, it stays there."""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text

from shared.messaging.repository.outbox import unpack_headers
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Published:
    """A record in the outbox; ``topic`` without the installation's prefix. One without a value, which forgets its key,
    has no type, id and body."""

    topic: str
    key: str
    type: str
    event_id: str
    body: dict[str, Any]


async def published(runtime: Runtime[Any], topic: str | None = None) -> list[Published]:
    """Everything published so far, in order; only of ``topic``, if given."""
    async with runtime.read_only() as connection:
        rows = (await connection.execute(text("SELECT topic, key, headers, value FROM outbox ORDER BY id"))).all()
    found = []
    for row in rows:
        headers = {name: (value or b"").decode() for name, value in unpack_headers(row.headers)}
        body = {} if row.value is None else orjson.loads(row.value)
        found.append(Published(row.topic, row.key.decode(), headers.get("ce_type", ""), headers.get("ce_id", ""), body))
    return [one for one in found if topic is None or one.topic == topic]


def last_of_each_key(records: list[Published]) -> dict[tuple[str, str], Published]:
    """What a compacted topic keeps, by topic and key."""
    return {(one.topic, one.key): one for one in records}
