"""The whole loop under traffic: a shop that publishes, customers who answer, and a record of what was acknowledged."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio

from deploy.local.backends import Backends
from deploy.local.programs import PROCESSES
from deploy.local.stack import Stack
from tests.kit.eventually import until
from tests.kit.http import http_client
from tests.kit.stacks import at_once, running_stack
from tools.audit.audit import Installation, audit
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.shop import ShopBackend
from tools.simulation.shop_event import ShopEvent
from tools.simulation.visitor import Visitor

PATIENCE_SECONDS = 90


@dataclass
class Traffic:
    """Orders of customers who order once each and answer every survey they get, some of them twice."""

    stack: Stack
    client: httpx.AsyncClient
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    ordered: set[str] = field(default_factory=set)
    acknowledged: dict[str, int] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shop = ShopBackend(
            self.stack.kafka_bootstrap_servers, source=f"/shop/{self.run}", topic_prefix=self.stack.topic_prefix
        )
        self._mailbox = MailboxReader(self.client, self.stack.url("mailbox"))
        self._visitor = Visitor(self.client)

    async def order(self, count: int) -> None:
        """Publishes orders, each by a different customer; every tenth is published twice."""
        numbers = range(len(self.ordered), len(self.ordered) + count)
        events = [self._placed(number) for number in numbers]
        await self.shop.publish(events + events[::10])
        self.ordered |= {event.customer_id for event in events}

    def _placed(self, number: int) -> ShopEvent:
        now = datetime.now(UTC)
        customer = f"{self.run}-{number}"
        body = {
            "order_id": f"o-{customer}",
            "occurred_at": now.isoformat(),
            "customer": {"id": customer, "email": f"{customer}@example.com", "country": ("BR", "NO")[number % 2]},
            "items": [{"name": "a kite", "category": ("toys", "outdoor")[number % 3 == 0]}],
        }
        return ShopEvent(id=f"placed-{customer}", type="order.placed", occurred_at=now, customer_id=customer, body=body)

    async def answer(self) -> None:
        """Keeps answering what arrives, until cancelled. Retries while the collector is down."""
        while True:
            for mail in await self._mailbox.new():
                if not mail.to.startswith(self.run):
                    continue
                self.mails.append(mail)
                score = len(self.mails) % 11
                told = await self._visitor.answer(mail.answer_url, score)
                if score == 4:
                    told = await self._visitor.answer(mail.answer_url, 9, comment="It got better")
                elif score == 6:
                    told = await self._visitor.answer(mail.answer_url, 6, comment="Too late")
                self.acknowledged[told.answer_id] = told.revision
            await asyncio.sleep(0.05)  # until the mailbox is asked again: it cannot tell of new mail by itself

    async def some_answered(self) -> None:
        """Returns once traffic is flowing."""
        await until(
            lambda: len(self.acknowledged) >= 5,
            lambda: f"5 answers, not {len(self.acknowledged)}",
            within=PATIENCE_SECONDS,
        )

    async def all_answered(self) -> None:
        await until(
            lambda: len(self.acknowledged) >= len(self.ordered),
            lambda: f"{len(self.ordered)} customers to be asked and to answer, not {len(self.acknowledged)}",
            within=PATIENCE_SECONDS,
        )
        assert len(self.mails) == len(self.ordered)


@contextlib.asynccontextmanager
async def traffic_on(stack: Stack) -> AsyncIterator[Traffic]:
    """Separate traffic on a stack; at the end everybody has answered and the audit is clean."""
    async with http_client(timeout=10) as client:
        traffic = Traffic(stack, client)
        answering = asyncio.create_task(traffic.answer())
        try:
            yield traffic
            await traffic.all_answered()
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            await traffic.shop.__aexit__(None, None, None)
    # A killed process may still be starting while another replica has done the work; the audit queries it over HTTP.
    await stack.ready()
    report = await audit(Installation.from_environment(stack.client_environment()), within=PATIENCE_SECONDS)
    assert report.clean, report


# Another replica takes over sooner, and an email in transmission at a kill is resolved sooner, than by default.
HASTE = {
    "HEARBACK_CONSUMER_SESSION_SECONDS": "6",
    "HEARBACK_COURIER_LEASE_SECONDS": "6",
    "HEARBACK_COURIER_MAIL_SECONDS": "3",
    "HEARBACK_RETRY_LIMIT_SECONDS": "2",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One of each process, shared by the tests of a module: each test has its own customers.

    Its backends are not shared, because tests stop them.
    """
    folder = tmp_path_factory.mktemp("faults")
    async with running_stack(folder, on=None, campaigns=at_once(folder), environment=HASTE) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two_of_each(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two replicas of each process, on the session's backends."""
    folder = tmp_path_factory.mktemp("replicas")
    replicas = dict.fromkeys(PROCESSES, 2)
    async with running_stack(
        folder, on=backends, campaigns=at_once(folder), environment=HASTE, replicas=replicas
    ) as running:
        yield running
