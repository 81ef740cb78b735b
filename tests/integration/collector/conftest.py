"""Collectors on one migrated database that is emptied before each test; see ``kit``."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import text

from deploy.local.backends import Backends
from deploy.local.provision import temporary_database
from services.collector.settings import CollectorSettings
from services.collector.wiring import build
from shared.persistence.engine import open_engine
from shared.persistence.migrations import migrate
from shared.runtime import open_runtime
from tests.integration.collector.kit import API_KEYS, ChosenClock, Collector

TABLES = (
    "campaigns",
    "sends",
    "answers",
    "preferences",
    "erasures",
    "early_wishes",
    "outbox",
    "consumer_positions",
    "dead_letters",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def collector_database(backends: Backends) -> AsyncIterator[str]:
    """The address of a database with the collector's tables."""
    async with temporary_database(backends.database_url) as fresh:
        url = fresh.service_urls["collector"]
        engine = open_engine(url, name="migration")
        await migrate("collector", engine)
        await engine.dispose()
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def collector(backends: Backends, collector_database: str) -> AsyncIterator[Collector]:
    settings = CollectorSettings(
        kafka_bootstrap_servers=backends.kafka_bootstrap_servers,
        database_url=SecretStr(collector_database),
        api_keys=SecretStr(API_KEYS),
        secret=SecretStr("x" * 32),
        prune_batch_size=3,
        brand_name="Our shop",
    )
    async with open_runtime("collector", settings) as runtime:
        runtime.clock = clock = ChosenClock()
        async with runtime.transaction() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join(TABLES)}"))
        app = build(runtime).app
        assert app is not None
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Collector(runtime, clock, client)
