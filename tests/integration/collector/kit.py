"""A collector on the real database, called over HTTP, with a clock the test sets and a readable outbox."""

import html
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import text

from services.collector.handlers import campaigns as campaigns_handler
from services.collector.handlers import sends as sends_handler
from services.collector.handlers import shared_ids as shared_ids_handler
from services.collector.settings import CollectorSettings
from shared.contracts import campaigns, sends, shared_ids, topics
from shared.contracts.campaigns import Brand, CampaignPublished
from shared.contracts.sends import Recipient, SurveySent
from shared.contracts.shared_ids import SharedId
from shared.contracts.types import Contract
from shared.runtime import Runtime
from tests.kit.clock import ChosenClock
from tests.kit.http import bearer
from tests.kit.messages import message
from tests.kit.outbox import Published, published
from tests.kit.settings import KEY

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@dataclass
class Collector:
    runtime: Runtime[CollectorSettings]
    clock: ChosenClock
    client: httpx.AsyncClient

    async def consume(self, *bodies: Contract, event_type: str | None = None) -> None:
        """Passes the bodies to the handlers in one transaction, as the consumer loop would."""
        handlers = {
            topics.CAMPAIGNS.name: campaigns_handler.handler(self.runtime),
            topics.SENDS.name: sends_handler.handler(self.runtime),
            topics.SHARED_IDS.name: shared_ids_handler.handler(self.runtime),
        }
        async with self.runtime.transaction() as connection:
            for body in bodies:
                topic, kind = {
                    SurveySent: (topics.SENDS, sends.SENT),
                    SharedId: (topics.SHARED_IDS, shared_ids.FOUND),
                    CampaignPublished: (topics.CAMPAIGNS, campaigns.PUBLISHED),
                }[type(body)]
                await handlers[topic.name](connection, [message(topic.name, event_type or kind, body, at=NOON)])

    async def send(self, send_id: str = "s-1", **fields: Any) -> str:
        """Consumes a survey; returns the path of its page."""
        await self.consume(survey(send_id, **fields))
        return self.page(send_id)

    def page(self, send_id: str = "s-1") -> str:
        return f"/s/{self.runtime.links.token('answer', send_id)}"

    def unsubscribe_page(self, send_id: str = "s-1") -> str:
        return f"/unsubscribe/{self.runtime.links.token('unsubscribe', send_id)}"

    async def post_answer(self, /, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        allowed = {**bearer(KEY), **(headers or {})}
        # Not the client's own encoding, which would reject a lone surrogate before we can.
        allowed["Content-Type"] = "application/json"
        return await self.client.post("/v1/answers", content=json.dumps(body), headers=allowed)

    async def erase(self, customer_id: str) -> httpx.Response:
        return await self.client.delete(f"/v1/customers/{customer_id}", headers=bearer(KEY))

    async def outbox(self, topic: str | None = None) -> list[Published]:
        return await published(self.runtime, topic)

    async def answers(self) -> list[Published]:
        return await self.outbox(topics.ANSWERS.name)

    async def preferences(self) -> list[tuple[str, int, str]]:
        """Type, revision and email state of each preference published."""
        return [
            (
                event.type,
                event.body["revision"],
                next(channel["state"] for channel in event.body["channels"] if channel["channel"] == "email"),
            )
            for event in await self.outbox(topics.PREFERENCES.name)
        ]

    async def preferences_of(self, customer_id: str) -> list[str]:
        """The type of each record of the customer's preferences; empty for one that forgets them."""
        return [event.type for event in await self.outbox(topics.PREFERENCES.name) if event.key == customer_id]

    async def count(self, table: str) -> int:
        async with self.runtime.read_only() as connection:
            return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


def survey(send_id: str = "s-1", **fields: Any) -> SurveySent:
    values: dict[str, Any] = {
        "campaign": "service-nps",
        "campaign_version": 1,
        "channel": "email",
        "locale": "en",
        "customer_id": "c-42",
        "recipient": Recipient(address="ana.souza@example.com", name="Ana Souza"),
        "order_id": "order-1001",
        "product": None,
        "segments": {"country": "BR", "category": ["toys", "books"]},
        "answer_url": "https://example.com/s/x",
        "unsubscribe_url": "https://example.com/unsubscribe/x",
        "due_at": NOON,
        "sent_at": NOON,
        "expires_at": NOON + timedelta(days=30),
    }
    return SurveySent(send_id=send_id, **{**values, **fields})


def campaign(**fields: Any) -> CampaignPublished:
    values: dict[str, Any] = {
        "campaign": "service-nps",
        "campaign_version": 1,
        "subject_of_question": "service",
        "brand": Brand(name="Lumen Home", color="#e8590c"),
    }
    return CampaignPublished(**{**values, **fields})


def seen(page: httpx.Response) -> str:
    """The page's visible text."""
    return html.unescape(page.text)


@asynccontextmanager
async def broken(collector: Collector, breaking: str, mending: str) -> AsyncIterator[None]:
    """Executes one statement now, and the other at the end of the block."""
    async with collector.runtime.transaction() as connection:
        await connection.execute(text(breaking))
    try:
        yield
    finally:
        async with collector.runtime.transaction() as connection:
            await connection.execute(text(mending))
