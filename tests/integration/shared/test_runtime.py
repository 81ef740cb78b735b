"""The connections of a runtime: each allows what its name says."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.local.provision import Database
from shared.runtime import Runtime, open_runtime
from shared.settings import ServiceSettings
from tests.kit.settings import settings_for

_WRITE = text("CREATE TABLE written (number integer)")
_IS_WRITTEN = text("SELECT to_regclass('written') IS NOT NULL")
_READ_ONLY = text("SHOW transaction_read_only")


@pytest_asyncio.fixture(loop_scope="session")
async def runtime(database: Database) -> AsyncIterator[Runtime[ServiceSettings]]:
    settings = settings_for(ServiceSettings, database.service_urls["scorer"], database_pool_size=2)
    async with open_runtime("scorer", settings) as opened:
        yield opened


async def test_a_read_only_connection_writes_nothing_and_leaves_no_trace(
    runtime: Runtime[ServiceSettings],
) -> None:
    for _ in range(3):
        async with runtime.read_only() as connection:
            assert (await connection.execute(_READ_ONLY)).scalar_one() == "on"
        with pytest.raises(DBAPIError, match="read-only"):
            async with runtime.read_only() as connection:
                await connection.execute(_WRITE)
        async with runtime.autocommit() as connection:
            assert (await connection.execute(_READ_ONLY)).scalar_one() == "off"
            assert not (await connection.execute(_IS_WRITTEN)).scalar_one()
    # The same sessions, from the pool.
    async with runtime.transaction() as connection:
        await connection.execute(_WRITE)
    async with runtime.read_only() as connection:
        assert (await connection.execute(_IS_WRITTEN)).scalar_one()


async def test_what_is_read_on_one_connection_is_of_one_moment(runtime: Runtime[ServiceSettings]) -> None:
    """Else a page could add up what two statements saw before and after a commit: −3 answers, or a division by 0."""
    count = text("SELECT count(*) FROM written")
    async with runtime.transaction() as connection:
        await connection.execute(_WRITE)
    async with runtime.read_only() as reader:
        assert (await reader.execute(count)).scalar_one() == 0
        async with runtime.transaction() as connection:
            await connection.execute(text("INSERT INTO written VALUES (1)"))
        assert (await reader.execute(count)).scalar_one() == 0
    async with runtime.read_only() as reader:
        assert (await reader.execute(count)).scalar_one() == 1
