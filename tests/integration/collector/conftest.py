"""Collectors on the real database; see ``kit``."""

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.local.provision import Database
from services.collector.settings import CollectorSettings
from services.collector.wiring import build
from shared.runtime import open_runtime
from tests.integration.collector.kit import NOON, Collector
from tests.kit.clock import ChosenClock
from tests.kit.http import client_of
from tests.kit.settings import api_key, settings_for

OTHER_KEY = "another key that is long enough"


@pytest_asyncio.fixture(loop_scope="session")
async def collector(database: Database) -> AsyncIterator[Collector]:
    settings = settings_for(
        CollectorSettings,
        database.service_urls["collector"],
        api_key("shop", "answers:write", "customers:erase"),
        api_key("till", "answers:write", key=OTHER_KEY),
        prune_batch_size=3,
        brand_name="Our shop",
    )
    async with open_runtime("collector", settings) as runtime:
        runtime.clock = clock = ChosenClock(NOON)
        app = build(runtime).app
        assert app is not None
        async with client_of(app, raise_app_exceptions=False) as client:
            yield Collector(runtime, clock, client)
