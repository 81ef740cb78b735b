"""A flood of requests leaves connections to the consumer and the loops of the same process, and to its readiness."""

import asyncio
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from deploy.local.provision import Database
from shared.persistence.engine import probe
from shared.runtime import Runtime, open_runtime
from tests.kit.eventually import eventually
from tests.kit.http import client_of
from tests.kit.settings import KEY, api_key, settings_for
from tests.kit.wired import BUILDERS

POOL = 6
REQUESTS = 3 * POOL

# Each reads a table; the courier serves nothing that does. The survey is one that is not known yet.
READS = {
    "dispatcher": ("/v1/campaigns", 200),
    "collector": ("/s/{token}", 503),
    "scorer": ("/v1/nps", 200),
    "alerter": ("/v1/cases/nobody", 404),
}
_TABLES = text("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@pytest.mark.parametrize("process", READS)
async def test_a_batch_finds_a_connection_while_requests_wait_for_theirs(process: str, database: Database) -> None:
    kind, build = BUILDERS[process]
    settings = settings_for(
        kind, database.service_urls[process], api_key("everybody"), database_pool_size=POOL, http_port=0
    )
    path, status = READS[process]
    async with (
        open_runtime(process, settings) as runtime,
        open_runtime(process, settings) as other,
        client_of(build(runtime).app, key=KEY) as client,
    ):
        runtime.health.started = True
        runtime.health.add_check("database", partial(probe, runtime.engine))
        address = path.format(token=runtime.links.token("answer", "s-1"))
        async with other.transaction() as holder:
            tables = (await holder.execute(_TABLES)).scalars().all()
            await holder.execute(text(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE"))
            requests = [asyncio.create_task(client.get(address)) for _ in range(REQUESTS)]
            await eventually(lambda: waiting(other), "requests to wait", wanted=lambda found: found >= POOL // 2)
            async with asyncio.timeout(5), runtime.transaction() as connection:
                await connection.execute(text("SELECT 1"))
            assert "database" not in (await client.get("/readyz")).json()["obstacles"]
            assert await waiting(other) == POOL // 2
        answered = {response.status_code for response in await asyncio.gather(*requests)}
    assert answered == {status}


async def waiting(runtime: Runtime[Any]) -> int:
    async with runtime.read_only() as connection:
        number: int = (await connection.execute(_WAITING)).scalar_one()
    return number
