"""One running product for the whole folder, on a clock that stands still until a test lets time pass."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from deploy.local.backends import Backends
from shared.clock import SteppedClock
from tests.acceptance.product import Product
from tests.kit.http import http_client
from tests.kit.stacks import running_stack
from tools.replay.dispatcher import Dispatcher
from tools.simulation.shop import ShopBackend

HASTE = {"HEARBACK_TIMER_SECONDS": "0.02", "HEARBACK_PUBLISH_SECONDS": "0.1"}
SHORT_MEMORY = {
    "HEARBACK_CASE_DAYS": "200",
    "HEARBACK_CUSTOMER_RETENTION_DAYS": "200",
    "HEARBACK_COMMENTS_KEPT_DAYS": "200",
}
"""So that the tables, too, forget something within the time that passes here."""
OPENS = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def product(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """Every test has its own customers; they share the processes, because starting those takes longest."""
    folder = tmp_path_factory.mktemp("acceptance")
    clock = SteppedClock.create(folder / "clock", OPENS)
    async with (
        running_stack(
            folder,
            on=backends,
            clock=f"file:{folder / 'clock'}",
            environment=HASTE | SHORT_MEMORY,
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
