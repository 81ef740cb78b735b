"""Alerters on the real backends; see ``kit``."""

from collections.abc import AsyncIterator

import pytest_asyncio

from deploy.local.provision import Database
from services.alerter.settings import AlerterSettings
from services.alerter.wiring import build
from shared.runtime import open_runtime
from tests.integration.alerter.kit import API_KEYS, Alerter, Open
from tests.kit.clock import ChosenClock
from tests.kit.settings import settings_for
from tests.unit.alerter.examples import NOON


@pytest_asyncio.fixture(loop_scope="session")
async def open_alerter(kafka: str, database: Database, shared_topic_prefix: str) -> AsyncIterator[Open]:
    """Opens alerters, any number of replicas, on one database."""
    opened = []

    async def open_one() -> Alerter:
        settings = settings_for(
            AlerterSettings,
            database.service_urls["alerter"],
            *API_KEYS,
            kafka_bootstrap_servers=kafka,
            topic_prefix=shared_topic_prefix,
        )
        context = open_runtime("alerter", settings)
        runtime = await context.__aenter__()
        opened.append(context)
        clock = ChosenClock(NOON)
        runtime.clock = clock
        service = build(runtime)
        assert service.start is not None
        await service.start()
        return Alerter(runtime, service, clock)

    yield open_one
    for context in opened:
        await context.__aexit__(None, None, None)


@pytest_asyncio.fixture(loop_scope="session")
async def alerter(open_alerter: Open) -> Alerter:
    return await open_alerter()
