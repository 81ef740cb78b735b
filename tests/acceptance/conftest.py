"""One running product for the whole folder, on a clock that stands still until a test lets time pass."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.backends import Backends
from shared.clock import SteppedClock
from tests.acceptance.product import Product
from tests.kit.http import http_client
from tests.kit.stacks import running_stack
from tools.replay.dispatcher import Dispatcher
from tools.simulation.shop import ShopBackend

HASTE = {
    "HEARBACK_CONSUMER_INTERVAL_SECONDS": "0.01",
    "HEARBACK_TIMER_SECONDS": "0.02",
    "HEARBACK_PUBLISH_SECONDS": "0.1",
}
OPENS = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def product(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """Every test has its own customers; they share the processes, because starting those takes longest."""
    async with running_product(backends, tmp_path_factory.mktemp("acceptance")) as running:
        yield running


@asynccontextmanager
async def running_product(
    backends: Backends, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Product]:
    clock = SteppedClock.create(folder / "clock", OPENS)
    async with (
        running_stack(
            folder, on=backends, clock=f"file:{folder / 'clock'}", environment=HASTE | dict(environment or {})
        ) as stack,
        http_client() as visitors,
        http_client(key=stack.api_key) as staff,
        ShopBackend(stack.kafka_bootstrap_servers, source="/shop", topic_prefix=stack.topic_prefix) as shop,
    ):
        dispatcher = Dispatcher(
            stack.database.owner_url,
            bootstrap_servers=stack.kafka_bootstrap_servers,
            topic_prefix=stack.topic_prefix,
        )
        yield Product(stack, clock, shop, dispatcher, visitors, staff)
        await dispatcher.close()
