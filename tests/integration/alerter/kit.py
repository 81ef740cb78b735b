"""An alerter's parts on a real PostgreSQL and Kafka, with a clock the test sets, without its loops."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from sqlalchemy import text

from services.alerter.queries import cases as queries
from services.alerter.queries.cases import CaseDetail
from services.alerter.settings import AlerterSettings
from shared.contracts import answers
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message
from shared.contracts.topics import CONSUMED_BY
from shared.contracts.types import Contract
from shared.messaging.transaction import BatchTransaction
from shared.process import Service
from shared.runtime import Runtime
from tests.kit.clock import ChosenClock
from tests.kit.messages import message, message_of
from tests.kit.outbox import Published, last_of_each_key, published
from tests.kit.settings import api_key

READ_KEY, WRITE_KEY, ROUTING_KEY = "a-key-that-may-read", "a-key-that-may-write", "a-key-that-may-route"
API_KEYS = (
    api_key("reader", "cases:read", key=READ_KEY),
    api_key("kim", "cases:read", "cases:write", key=WRITE_KEY),
    api_key("lead", "cases:read", "routing:write", key=ROUTING_KEY),
)


@dataclass
class Alerter:
    runtime: Runtime[AlerterSettings]
    service: Service
    clock: ChosenClock

    @property
    def app(self) -> FastAPI:
        return self.service.app

    async def handle(self, topic: str, *events: tuple[str, Contract]) -> None:
        """Passes a batch of (type, body) to the topic's handler, in one transaction, as the consumer does."""
        await self._handle(topic, [message(topic, event_type, body) for event_type, body in events])

    async def receive(self, *revisions: Answer | AnswerErased) -> None:
        """The same for revisions of answers."""
        await self._handle(answers.TOPIC, [message_of(answers.event(revision)) for revision in revisions])

    async def _handle(self, topic: str, messages: Sequence[Message]) -> None:
        async with self.runtime.transaction() as connection:
            await self.service.handlers[topic](connection, messages)

    async def handle_batch(self, messages: Sequence[Message]) -> None:
        """A batch of any topics, in one transaction, as the consumer does."""
        settings, topics = self.runtime.settings, CONSUMED_BY["alerter"]
        transaction = BatchTransaction("test", topics, self.service.handlers, self.runtime.engine, settings)
        await transaction.commit(messages, expected={}, following={})

    async def detail(self, case_id: str) -> CaseDetail:
        """Raises NoSuchCase."""
        async with self.runtime.read_only() as connection:
            return await queries.detail(connection, self.runtime.digests, self.runtime.guests, case_id)

    async def published(self) -> list[Published]:
        """Everything published so far, in order."""
        return await published(self.runtime)

    async def standing(self) -> dict[tuple[str, str], Published]:
        """What a compacted topic keeps: the last record of each topic and key."""
        return last_of_each_key(await self.published())

    async def query(self, statement: str, **values: Any) -> Sequence[Any]:
        async with self.runtime.read_only() as connection:
            return (await connection.execute(text(statement), values)).all()

    async def assert_nowhere(self, *words: str) -> None:
        """None of the words is in any row of the alerter's tables, except records not yet published to Kafka."""
        tables = await self.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'alerter'")
        assert {"cases", "case_history", "customers", "customer_orders"} <= {row.table_name for row in tables}
        for row in tables:
            if row.table_name in ("outbox", "alembic_version", "routing"):
                continue
            for found in await self.query(f"SELECT CAST(t AS text) AS whole FROM {row.table_name} AS t"):
                assert not [word for word in words if word in found.whole.lower()], (row.table_name, found.whole)


Open = Callable[[], Awaitable[Alerter]]
