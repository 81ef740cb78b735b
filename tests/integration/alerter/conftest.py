"""Alerters on the real backends; see ``kit``."""

from collections.abc import AsyncIterator

import pytest_asyncio
from pydantic import SecretStr

from deploy.local.backends import Backends
from deploy.local.provision import Database
from services.alerter.settings import AlerterSettings
from services.alerter.wiring import build
from shared.persistence.migrations import migrate
from shared.runtime import open_runtime
from tests.integration.alerter.kit import API_KEYS, Alerter, ChosenClock, Open


@pytest_asyncio.fixture(loop_scope="session")
async def open_alerter(backends: Backends, database: Database, topic_prefix: str) -> AsyncIterator[Open]:
    """Opens alerters, as many replicas as the test wants, on one database."""
    opened = []

    async def open_one() -> Alerter:
        settings = AlerterSettings(
            kafka_bootstrap_servers=backends.kafka_bootstrap_servers,
            database_url=SecretStr(database.service_urls["alerter"]),
            topic_prefix=topic_prefix,
            api_keys=SecretStr(API_KEYS),
            secret=SecretStr("x" * 32),
        )
        context = open_runtime("alerter", settings)
        runtime = await context.__aenter__()
        opened.append(context)
        clock = ChosenClock()
        runtime.clock = clock
        await migrate("alerter", runtime.engine)
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
