"""What tests of the relay need to know about an outbox, its relays and what they published."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.contracts.topics import ORDERS
from shared.messaging.records import Record
from shared.messaging.repository import outbox
from shared.persistence.transaction import transaction
from shared.ration import Ration
from shared.settings import ServiceSettings
from tools.audit.topics import Topics


async def put(engine: AsyncEngine, records: Sequence[tuple[str, str]], *, topic: str = ORDERS.name) -> None:
    """Commits records, each a key and a value."""
    async with transaction(engine) as connection:
        await outbox.put(
            connection,
            [Record(topic=topic, key=key.encode(), value=value.encode(), headers=[]) for key, value in records],
        )


async def is_empty(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        return bool((await connection.execute(text("SELECT NOT EXISTS (SELECT FROM outbox)"))).scalar_one())


async def holder(engine: AsyncEngine) -> str | None:
    """The name of the relay that has the turn."""
    async with engine.connect() as connection:
        name: str | None = await connection.scalar(
            text(
                """
                SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
                WHERE locktype = 'advisory' AND granted AND pg_locks.database = (
                    SELECT oid FROM pg_database WHERE datname = current_database()
                )
                """
            )
        )
    return None if name is None else name.removeprefix("hearback-").removesuffix("-relay")


def only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outbox is read from the beginning when a relay takes the turn, and after that only when it must be."""
    took = Ration.took
    monkeypatch.setattr(Ration, "took", lambda ration, _seconds: took(ration, 3_600))


async def end_sessions(engine: AsyncEngine, name: str) -> None:
    """Ends the relay's session, as PostgreSQL does by itself when its process has been stalled for some time."""
    async with engine.begin() as connection:
        await connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"),
            {"name": f"hearback-{name}-relay"},
        )


async def wake(engine: AsyncEngine) -> None:
    """As the relay of another process does."""
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_notify('hearback.relay.' || current_schema(), '')"))


async def last_of_each_key(settings: ServiceSettings, topic: str = ORDERS.name) -> dict[str, str]:
    """What compaction keeps of the topic."""
    last = {}
    async for record in Topics(settings, prefix=settings.topic_prefix).read([topic]):
        assert record.key is not None and record.value is not None
        last[record.key.decode()] = record.value.decode()
    return last


async def published(settings: ServiceSettings, topic: str = ORDERS.name) -> list[tuple[str, str]]:
    """Keys and values of a topic, in the order of each partition."""
    found = []
    async for record in Topics(settings, prefix=settings.topic_prefix).read([topic]):
        assert record.key is not None and record.value is not None
        found.append((record.key.decode(), record.value.decode()))
    return found
