"""Transactions that change nothing end with their block, whatever ends it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.persistence.transaction import autocommit, driver_of, read_only, rolled_back
from tests.integration.shared.conftest import Bench

Begin = Callable[[AsyncEngine], AbstractAsyncContextManager[AsyncConnection]]


@pytest.mark.parametrize("begin", [read_only, rolled_back])
async def test_whoever_is_cancelled_waits_for_no_silent_database(bench: Bench, begin: Begin) -> None:
    began = asyncio.Event()

    async def work() -> None:
        async with begin(bench.engine) as connection:
            driver_of(connection)._transport.pause_reading()
            began.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await began.wait()
    working.cancel()
    done, _ = await asyncio.wait({working}, timeout=5)
    assert done and working.cancelled()


@pytest.mark.parametrize("begin", [read_only, rolled_back])
async def test_the_next_user_of_the_connection_begins_afresh(bench: Bench, begin: Begin) -> None:
    async def is_in_transaction() -> bool:
        async with autocommit(bench.engine) as connection:
            return bool(driver_of(connection).is_in_transaction())

    async with begin(bench.engine) as connection:
        await connection.execute(text("SELECT 1"))
    assert not await is_in_transaction()
    with pytest.raises(LookupError):
        async with begin(bench.engine):
            raise LookupError
    assert not await is_in_transaction()
