"""A client of one dispatcher, with a key that may do everything."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.integration.dispatcher.kit import Dispatcher
from tests.kit.http import client_of
from tests.kit.settings import KEY


@pytest_asyncio.fixture(loop_scope="session")
async def client(dispatcher: Dispatcher) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(dispatcher.app, key=KEY) as opened:
        yield opened
