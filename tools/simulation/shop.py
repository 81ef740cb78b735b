"""A shop's backend: publishes plain CloudEvents, as any shop would. From Hearback it has names, but no code."""

import asyncio
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.contracts import orders
from tools.simulation.shop_event import ShopEvent

ATTEMPT_SECONDS = 30.0
"""Timeout of one attempt; when a broker is down for longer, publishing is retried."""


class BackendUnreachable(Exception):
    """The cluster acknowledged nothing within the timeout; unacknowledged events may or may not be on the topic."""


class ShopBackend:
    """Publishes to ``orders``, or to another ``topic``. An event republished after an error keeps its id, so it counts
    once."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        source: str,
        topic_prefix: str,
        topic: str = orders.TOPIC,
        timeout_seconds: float = 180.0,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._source = source.encode()
        self._topic = topic_prefix + topic
        self._timeout = timeout_seconds
        self._producer: AIOKafkaProducer | None = None
        self.published = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._drop_producer()

    async def publish(self, events: Sequence[ShopEvent]) -> None:
        """Returns when the cluster has acknowledged every event. Raises BackendUnreachable after the timeout."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        while events:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    await self._attempt(events)
                break
            except (KafkaError, TimeoutError, OSError) as error:
                await self._drop_producer()
                if asyncio.get_running_loop().time() > deadline:
                    raise BackendUnreachable(
                        f"{len(events)} order events were not acknowledged by {self._bootstrap_servers} "
                        f"within {self._timeout:.0f} s ({type(error).__name__}): is Kafka running?"
                    ) from error
                await asyncio.sleep(0.5)
        self.published += len(events)

    async def publish_raw(self, value: bytes, key: str) -> None:
        """Publishes a record that is not an event, as a broken client would."""
        producer = await self._connected()
        await producer.send_and_wait(self._topic, value, key=key.encode())

    async def _attempt(self, events: Sequence[ShopEvent]) -> None:
        producer = await self._connected()
        sent = [
            await producer.send(
                self._topic,
                json.dumps(event.body, ensure_ascii=False).encode(),
                key=event.customer_id.encode(),
                headers=[
                    ("ce_specversion", b"1.0"),
                    ("ce_id", event.id.encode()),
                    ("ce_source", self._source),
                    ("ce_type", event.type.encode()),
                    ("ce_time", event.occurred_at.isoformat().encode()),
                    ("content-type", b"application/json"),
                ],
            )
            for event in events
        ]
        await producer.flush()
        for acknowledgement in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(acknowledgement, BaseException):
                raise acknowledgement

    async def _connected(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap_servers, enable_idempotence=True, linger_ms=5)
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                async with asyncio.timeout(5):
                    await producer.stop()
            except (KafkaError, TimeoutError, OSError):
                pass  # The broker is gone, so the producer cannot close cleanly.
