"""A client of one dispatcher, with a key that may do everything."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.integration.dispatcher.kit import Dispatcher
from tests.kit.settings import KEY


@pytest_asyncio.fixture(loop_scope="session")
async def client(dispatcher: Dispatcher) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=dispatcher.app)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://dispatcher", headers=headers) as opened:
        yield opened
