"""A consumer of ``orders`` that counts every event it handled, on the real Kafka and PostgreSQL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest_asyncio
from aiokafka import AIOKafkaProducer
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from deploy.local.provision import Database
from shared.contracts import orders, preferences
from shared.contracts.cloudevents import Headers, Message, write
from shared.contracts.events import Event
from shared.contracts.topics import ORDERS, PREFERENCES, dead_letter_topic
from shared.health import Health
from shared.messaging.consumer import Consumer
from shared.messaging.handler import Handler
from shared.messaging.outbox import Outbox
from shared.messaging.relay import Relay
from shared.messaging.repository import stops
from shared.messaging.topics import ensure_topics
from shared.persistence.engine import open_engine
from shared.persistence.migrations import (
    add_dead_letter_states,
    add_dead_letter_subjects,
    add_topic_identities,
    allow_records_without_value,
    create_outbox_set_aside,
    create_runtime_tables,
)
from shared.settings import ServiceSettings
from tests.kit.clock import ChosenClock
from tests.kit.settings import settings_for

CONSUMER = "counter"
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def order_event(number: int, customer: str = "c-1") -> Event:
    moment = NOW
    body = orders.OrderEvent(
        order_id=str(number), occurred_at=moment, customer=orders.Customer(id=customer), total=None
    )
    return Event(
        topic=orders.TOPIC, key=customer, event_id=f"event-{number}", type=orders.PLACED, time=moment, body=body
    )


@dataclass
class Bench:
    """One schema, one topic, and any number of its consumers."""

    settings: ServiceSettings
    engine: AsyncEngine
    producer: AIOKafkaProducer
    outbox: Outbox = field(default_factory=lambda: Outbox("/hearback/test"))

    @property
    def topic(self) -> str:
        return self.settings.topic(ORDERS.name)

    async def publish(self, numbers: Sequence[int], partition: int | None = None) -> None:
        for number in numbers:
            headers, value = write(order_event(number), "/shop")
            key = str(number).encode()
            await self.producer.send(self.topic, value=value, key=key, headers=headers, partition=partition)
        await self.producer.flush()

    async def publish_raw(self, value: bytes | None, headers: Headers, partition: int = 0, key: bytes = b"k") -> None:
        await self.producer.send_and_wait(self.topic, value=value, key=key, headers=headers, partition=partition)

    async def publish_unreadable(self, number: int, partition: int = 0) -> None:
        """Records of ``orders`` that are no JSON."""
        for one in range(number):
            headers = [("ce_type", b"order.placed"), ("ce_id", b"bad-%d" % one), ("ce_source", b"/shop")]
            await self.producer.send(self.topic, value=b"{not json", headers=headers, partition=partition)
        await self.producer.flush()

    async def publish_preferences(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            moment = datetime(2026, 11, 1, tzinfo=UTC)
            body = preferences.Preference(customer_id="c-1", revision=number + 1, channels=[], occurred_at=moment)
            told = Event(
                topic=preferences.TOPIC,
                key="c-1",
                event_id=f"preference-{number}",
                type=preferences.UNSUBSCRIBED,
                time=moment,
                body=body,
            )
            headers, value = write(told, "/shop")
            await self.producer.send(self.settings.topic(PREFERENCES.name), value=value, key=b"c-1", headers=headers)
        await self.producer.flush()

    async def counted(self) -> dict[str, int]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(text("SELECT event_id, times FROM counted"))
            return {row.event_id: row.times for row in rows}

    async def dead_letters(self) -> list[str]:
        async with self.engine.connect() as connection:
            rows = await connection.execute(text("SELECT reason FROM dead_letters ORDER BY recorded_at, record_offset"))
            return list(rows.scalars())

    async def stands_still(self) -> list[tuple[str, int, int, str]]:
        """(topic, partition, offset, cause) of what stands still."""
        async with self.engine.connect() as connection:
            found = await stops.standing(connection, CONSUMER)
        return [(stop.topic, stop.partition, stop.offset, stop.cause) for stop in found]

    def consumer(self, handler: Handler | None = None, health: Health | None = None) -> Consumer:
        """``handler`` is that of ``orders``; preferences are always counted."""
        return Consumer(
            CONSUMER,
            [PREFERENCES, ORDERS],
            {ORDERS.name: handler or count, PREFERENCES.name: count},
            engine=self.engine,
            settings=self.settings,
            health=health or Health(),
            committed=lambda: None,
            clock=ChosenClock(NOW),
        )

    def relay(self) -> Relay:
        return Relay(self.settings, Health(), "test")


async def count(connection: AsyncConnection, messages: Sequence[Message]) -> None:
    """Adds one for each message: deliberately not idempotent, so that a duplicate would show."""
    await connection.execute(
        text(
            """
            INSERT INTO counted (event_id, times)
            SELECT event_id, count(*) FROM unnest(CAST(:ids AS text[])) AS m (event_id) GROUP BY 1 ORDER BY 1
            ON CONFLICT (event_id) DO UPDATE SET times = counted.times + excluded.times
            """
        ),
        {"ids": [message.event_id for message in messages]},
    )


@contextlib.asynccontextmanager
async def running(loop: Consumer | Relay) -> AsyncIterator[asyncio.Task[None]]:
    """The running loop; stopped, and its failure raised, at the end of the block."""
    stop = asyncio.Event()
    task = asyncio.create_task(loop.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


@pytest_asyncio.fixture(loop_scope="session")
async def bench(kafka: str, empty_database: Database, topic_prefix: str) -> AsyncIterator[Bench]:
    async with open_bench(empty_database, kafka_bootstrap_servers=kafka, topic_prefix=topic_prefix) as opened:
        yield opened


@contextlib.asynccontextmanager
async def open_bench(database: Database, **values: Any) -> AsyncIterator[Bench]:
    """``values`` are settings, Kafka's above all."""
    settings = settings_for(
        ServiceSettings,
        database.service_urls["scorer"],
        **values,
        consumer_session_seconds=6,
        retry_limit_seconds=0.5,
        dead_letter_limit=5,
    )
    letters = [dead_letter_topic(topic.name, service=CONSUMER) for topic in (ORDERS, PREFERENCES)]
    await ensure_topics(settings, [ORDERS, PREFERENCES, *letters])
    engine = open_engine(settings.database_url.get_secret_value(), name="test")

    def make_tables(connection: Connection) -> None:
        operations = Operations(MigrationContext.configure(connection))
        create_runtime_tables(operations)
        add_dead_letter_states(operations)
        add_dead_letter_subjects(operations)
        create_outbox_set_aside(operations)
        add_topic_identities(operations)
        allow_records_without_value(operations)
        connection.execute(text("CREATE TABLE counted (event_id text PRIMARY KEY, times integer NOT NULL)"))

    async with engine.begin() as connection:
        await connection.run_sync(make_tables)
    producer = AIOKafkaProducer(**settings.connection())
    await producer.start()
    yield Bench(settings, engine, producer)
    await producer.stop()
    await engine.dispose()
