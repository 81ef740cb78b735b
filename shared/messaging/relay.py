"""Publishes the outbox, in order, and deletes what the broker has acknowledged."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.backoff import Backoff
from shared.contracts.topics import DEAD_LETTER_SUFFIX
from shared.health import Health
from shared.messaging.records import Record
from shared.messaging.repository import outbox
from shared.settings import ServiceSettings

log = structlog.get_logger()

# The producer drops records it could not send in this time, well before PostgreSQL ends a stalled transaction and
# lets a replica take over (IDLE_IN_TRANSACTION_MILLISECONDS): a stalled relay then only has expired records to send.
SEND_MILLISECONDS = 5_000
# Only for events left by a process that died before publishing: every commit wakes its own relay.
_POLL_SECONDS = 1.0
_TURN_SECONDS = 0.02


class ProducerBroken(RuntimeError):
    """The idempotent producer has lost its sequence and cannot recover; the process must be restarted."""


class Relay:
    """Call ``wake`` after each commit; ``run`` publishes until stopped, and then whatever is left."""

    name = "outbox relay"

    def __init__(self, engine: AsyncEngine, settings: ServiceSettings, health: Health, client: str) -> None:
        self._engine = engine
        self._settings = settings
        self._health = health
        self._client = client
        self._work = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None

    def wake(self) -> None:
        """Signals that there may be something to publish."""
        self._work.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Raises ProducerBroken when only a restart can help; transient failures are retried."""
        backoff = Backoff(first=0.1, longest=self._settings.retry_limit_seconds)
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                try:
                    published = await self._publish_batch()
                    self._health.tick(self.name)
                    self._health.well(self.name)
                    backoff.succeeded()
                except (KafkaError, OSError, TimeoutError, SQLAlchemyError) as error:
                    await self._meet_trouble(error, backoff.failed(), stopping)
                    continue
                if published is None:
                    await self._wait(stopping, _TURN_SECONDS)
                elif published < self._settings.outbox_batch_size:
                    await self._wait(stopping, _POLL_SECONDS)
            with contextlib.suppress(KafkaError, OSError, TimeoutError, SQLAlchemyError):
                while await self._publish_batch():
                    pass
        finally:
            stopping.cancel()
            self._health.forget(self.name)
            await self._close()

    async def _wait(self, stopping: asyncio.Task[Any], seconds: float) -> None:
        work = asyncio.create_task(self._work.wait())
        await asyncio.wait({work, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()

    async def _meet_trouble(self, error: Exception, pause: float, stopping: asyncio.Task[Any]) -> None:
        if isinstance(error, OutOfOrderSequenceNumber):
            raise ProducerBroken("the broker rejected our sequence numbers; restart this process") from error
        metrics.backend_retries.labels(self.name).inc()
        self._health.tick(self.name)
        self._health.trouble(self.name, sentence=f"cannot publish: {type(error).__name__}")
        log.warning("publishing failed, retrying", error=type(error).__name__, seconds=pause)
        await self._close()
        await asyncio.wait({stopping}, timeout=pause)

    async def _publish_batch(self) -> int | None:
        """How many were published; None while another replica holds the lock."""
        self._work.clear()
        async with self._engine.begin() as connection:
            if not await outbox.take_turn(connection):
                return None
            waiting = await outbox.oldest(connection, self._settings.outbox_batch_size)
            metrics.outbox_age_seconds.set(waiting[0].age_seconds if waiting else 0)
            if not waiting:
                return 0
            await self._send([each.record for each in waiting])
            await outbox.remove(connection, [each.outbox_id for each in waiting])
        for each in waiting:
            metrics.published.labels(_label(each.record.topic)).inc()
        return len(waiting)

    async def _send(self, records: Sequence[Record]) -> None:
        producer = await self._open()
        acknowledged = [
            await producer.send(
                self._settings.topic(record.topic), key=record.key, value=record.value, headers=record.headers
            )
            for record in records
        ]
        # All are awaited even after one failed, so that no exception is lost.
        results = await asyncio.wait_for(
            asyncio.gather(*acknowledged, return_exceptions=True), 2 * SEND_MILLISECONDS / 1_000
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _open(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka_bootstrap_servers,
                client_id=f"hearback-{self._client}",
                enable_idempotence=True,
                acks="all",
                request_timeout_ms=SEND_MILLISECONDS,
                max_batch_size=131_072,
                max_request_size=2_000_000,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(producer.stop(), 5)


def _label(topic: str) -> str:
    return "dead letters" if topic.endswith(DEAD_LETTER_SUFFIX) else topic
