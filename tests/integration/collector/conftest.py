"""Collectors on the real database; see ``kit``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.provision import Database
from services.collector.actions import answer_writer
from services.collector.settings import CollectorSettings
from services.collector.wiring import build
from shared.runtime import open_runtime
from tests.integration.collector.kit import NOON, Collector
from tests.kit.clock import ChosenClock
from tests.kit.http import client_of
from tests.kit.settings import api_key, settings_for

OTHER_KEY = "another key that is long enough"


@asynccontextmanager
async def collector_with(database: Database, **values: Any) -> AsyncIterator[Collector]:
    """A collector with other settings than usual."""
    settings = settings_for(
        CollectorSettings,
        database.service_urls["collector"],
        api_key("shop", "answers:write", "customers:erase"),
        api_key("till", "answers:write", key=OTHER_KEY),
        **{"prune_batch_size": 3, "brand_name": "Our shop", **values},
    )
    async with open_runtime("collector", settings) as runtime:
        runtime.clock = clock = ChosenClock(NOON)
        app = build(runtime).app
        assert app is not None
        async with client_of(app, raise_app_exceptions=False) as client:
            yield Collector(runtime, clock, client)


@pytest_asyncio.fixture(loop_scope="session")
async def collector(database: Database) -> AsyncIterator[Collector]:
    async with collector_with(database) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def patient_collector(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """One whose batches wait for a lock for as long as a test takes."""
    monkeypatch.setattr(answer_writer, "_BATCH_MILLISECONDS", 20_000)
    async with collector_with(database) as opened:
        yield opened
