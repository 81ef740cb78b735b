"""Scorers on a fresh database, with and without HTTP."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.provision import Database
from services.scorer.actions import counts
from services.scorer.actions.names import Names
from services.scorer.handlers import surveys
from services.scorer.settings import ScorerSettings
from services.scorer.wiring import build
from shared.clock import SteppedClock
from shared.runtime import open_runtime
from shared.web.stream import Stream
from tests.integration.scorer.kit import START, Scorer, StartScorer
from tests.kit.http import client_of
from tests.kit.settings import KEY, api_key, settings_for


@pytest.fixture(scope="session", autouse=True)
def small_slices() -> Iterator[None]:
    """Batches are written in slices, as large ones are."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(counts, "_SLICE", 2)
        yield


@pytest_asyncio.fixture(loop_scope="session")
async def start_scorer(database: Database, tmp_path: Path) -> AsyncIterator[StartScorer]:
    """Starts scorers on one database; settings by name. They share a clock file."""
    clock_file = tmp_path / "clock"
    clock = SteppedClock.create(clock_file, START)
    opened: list[Any] = []

    async def start(*api_keys: str, **settings: Any) -> Scorer:
        context = open_runtime(
            "scorer",
            settings_for(
                ScorerSettings, database.service_urls["scorer"], *api_keys, clock=f"file:{clock_file}", **settings
            ),
        )
        runtime = await context.__aenter__()
        opened.append(context)
        handler = surveys.handler(runtime, Names(runtime.engine))
        return Scorer(runtime, clock, handler, Stream(runtime.settings.stream_clients))

    yield start
    for context in reversed(opened):
        await context.__aexit__(None, None, None)


@pytest_asyncio.fixture(loop_scope="session")
async def scorer(start_scorer: StartScorer) -> Scorer:
    return await start_scorer()


@pytest_asyncio.fixture(loop_scope="session")
async def served(start_scorer: StartScorer) -> Scorer:
    staff = api_key("staff", "scores:read")
    other = api_key("other", "cases:read", key="no scores")
    return await start_scorer(staff, other, brand_name="Lumen & Leaf")


@pytest_asyncio.fixture(loop_scope="session")
async def client(served: Scorer) -> AsyncIterator[httpx.AsyncClient]:
    app = build(served.runtime).app
    assert app is not None
    async with client_of(app, key=KEY) as client:
        yield client
