"""Waiting until something waits for a lock in the database."""

import asyncio
from typing import Any

from sqlalchemy import text

from shared.runtime import Runtime
from tests.kit.eventually import eventually

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


async def held_up(runtime: Runtime[Any], task: asyncio.Task[Any], *, waiting: int = 1) -> None:
    """Returns when ``task`` waits for a lock, and with it ``waiting`` in all; the test has its database to itself. It
    must not end before."""

    async def waits() -> bool:
        assert not task.done(), "it did not wait"
        async with runtime.read_only() as connection:
            return int((await connection.execute(_WAITING)).scalar_one()) >= waiting

    await eventually(waits, "it to wait for a lock", within=20)
