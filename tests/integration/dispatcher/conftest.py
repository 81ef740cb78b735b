"""Dispatchers on the real database; see ``kit``."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.provision import Database
from services.dispatcher.actions.campaigns import apply_files
from services.dispatcher.loops.timers import TimerLoop
from services.dispatcher.settings import DispatcherSettings
from services.dispatcher.wiring import build
from shared.ration import Ration
from shared.runtime import open_runtime
from tests.integration.dispatcher.kit import START, Dispatcher, Open
from tests.kit.clock import ChosenClock
from tests.kit.reading import EverythingRead
from tests.kit.settings import api_key, settings_for


@pytest.fixture(autouse=True)
def looks_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: otherwise what was set in the past is found a moment later."""
    monkeypatch.setattr(Ration, "took", lambda _ration, _seconds: None)


@pytest_asyncio.fixture(loop_scope="session")
async def open_dispatcher(database: Database) -> AsyncIterator[Open]:
    """Opens dispatchers, any number of replicas, on one database. Campaigns are the shipped ones."""
    opened = []

    async def open_one(**values: Any) -> Dispatcher:
        settings = settings_for(DispatcherSettings, database.service_urls["dispatcher"], api_key("tests"), **values)
        context = open_runtime("dispatcher", settings)
        runtime = await context.__aenter__()
        opened.append(context)
        clock = ChosenClock(START)
        runtime.clock = clock
        runtime.reads = EverythingRead(runtime)
        await apply_files(runtime, settings.campaigns)
        service = build(runtime)
        return Dispatcher(runtime, service.handlers, TimerLoop(runtime), clock, service.app)

    yield open_one
    for context in opened:
        await context.__aexit__(None, None, None)


@pytest_asyncio.fixture(loop_scope="session")
async def dispatcher(open_dispatcher: Open) -> Dispatcher:
    return await open_dispatcher()


def campaign_folder(folder: Path, **files: str) -> Path:
    """A folder of campaigns with these files."""
    folder.mkdir(exist_ok=True)
    for name, written in files.items():
        (folder / f"{name.replace('_', '-')}.yaml").write_text(written, encoding="utf-8")
    return folder
