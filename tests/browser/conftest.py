"""The product with everything enabled, and a browser; started once for all tests."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from deploy.local.backends import Backends
from tests.browser.chromium import Visits, chromium, launched
from tests.browser.shop import Shop
from tests.kit.http import http_client
from tests.kit.stacks import at_once, running_stack
from tools.simulation.shop import ShopBackend

MAILS = 30
BRAND_NAME = "Pine & Pebble"
# The palest possible brand colour: what is readable with it is readable with any.
PALE = "#ffe27a"


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium-headless-shell)")
    async with launched(path) as running:
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shop(browser: Browser, backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """Depends on the browser, so that nothing is started if the tests are skipped."""
    folder = tmp_path_factory.mktemp("browser")
    async with (
        running_stack(
            folder,
            on=backends,
            campaigns=at_once(folder),
            environment={
                "HEARBACK_BRAND_NAME": BRAND_NAME,
                "HEARBACK_BRAND_COLOR": PALE,
                "HEARBACK_TIMER_SECONDS": "0.05",
                "HEARBACK_PUBLISH_SECONDS": "0.1",
                "HEARBACK_INBOX_REFRESH_SECONDS": "0.3",
            },
        ) as stack,
        http_client(key=stack.api_key) as staff,
        http_client() as visitors,
        ShopBackend(stack.kafka_bootstrap_servers, source="/shop", topic_prefix=stack.topic_prefix) as backend,
    ):
        opened = Shop(stack, staff, visitors, backend)
        await opened.prepare(MAILS)
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def visits(browser: Browser) -> AsyncIterator[Visits]:
    """Afterwards: no page made a request to another origin, had a script error, or violated its policy."""
    opened = Visits(browser)
    try:
        yield opened
    finally:
        await opened.close()
    assert opened.strangers == []
    assert opened.errors == []


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def signed_in(browser: Browser, shop: Shop) -> Any:
    """The storage state of a signed-in browser: the session, for ``visits.open(storage_state=…)``."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(shop.url("scorer", f"/sign-in?next=/#key={shop.stack.api_key}"))
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_selector("#dashboard")
    state = await context.storage_state()
    await context.close()
    return state
