"""The inbox for a signed-in browser."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.integration.alerter.kit import WRITE_KEY, Alerter
from tests.kit.http import client_of


@pytest_asyncio.fixture(loop_scope="session")
async def browser(alerter: Alerter) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(alerter.app, follow_redirects=True) as opened:
        await opened.post("/sign-in", data={"key": WRITE_KEY})
        yield opened
