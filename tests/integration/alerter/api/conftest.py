"""The API for a client with a key that may write."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.integration.alerter.kit import WRITE_KEY, Alerter


@pytest_asyncio.fixture(loop_scope="session")
async def client(alerter: Alerter) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=alerter.app)
    headers = {"Authorization": f"Bearer {WRITE_KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://alerter", headers=headers) as opened:
        yield opened
