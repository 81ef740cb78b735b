"""The API for a client with a key that may write."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.integration.alerter.kit import WRITE_KEY, Alerter
from tests.kit.http import client_of


@pytest_asyncio.fixture(loop_scope="session")
async def client(alerter: Alerter) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(alerter.app, key=WRITE_KEY) as opened:
        yield opened
