"""Waiting for the dispatcher: the driver may not advance the clock before it has caught up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from shared.connection_errors import CONNECTION_ERRORS
from shared.contracts import orders
from tools.replay.waiting import TIMEOUT_SECONDS, Stuck, until

T = TypeVar("T")


class Dispatcher:
    """Polls the dispatcher's tables, as the owner of the database, and the end of ``orders``.

    Reconnects and retries if Kafka or PostgreSQL is killed in the meantime.
    """

    def __init__(self, database_url: str, *, bootstrap_servers: str, topic_prefix: str) -> None:
        self._database_url = database_url
        self._bootstrap_servers = bootstrap_servers
        self._topic = f"{topic_prefix}{orders.TOPIC}"
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def close(self) -> None:
        await self._drop()

    async def wait_until_consumed(self) -> None:
        """Returns when every record now on ``orders`` has been handled. Raises Stuck."""
        end = await self._with_retries(self._end)

        async def reached() -> bool:
            return await self._with_retries(self._position) >= end

        await until(reached, f"the dispatcher to consume {end} order events")

    async def wait_until_decided(self, now: datetime) -> None:
        """Returns when no timer due at ``now`` is left. Raises Stuck."""

        async def decided() -> bool:
            return await self._with_retries(lambda: self._due(now)) == 0

        await until(decided, f"the dispatcher to decide what is due at {now.isoformat()}")

    async def wait_until_delivered(self, moment: datetime) -> None:
        """Returns when every survey sent at ``moment``, or later, has been delivered, or has failed. Raises Stuck."""

        async def delivered() -> bool:
            return await self._with_retries(lambda: self._undelivered(moment)) == 0

        await until(delivered, f"the courier to deliver what was sent at {moment.isoformat()}")

    async def _end(self) -> int:
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(self._topic, bootstrap_servers=self._bootstrap_servers)
            await self._consumer.start()
        partitions = self._consumer.assignment()
        if not partitions:
            raise OSError(f"no known partition of {self._topic} yet")
        return sum((await self._consumer.end_offsets(partitions)).values())

    async def _position(self) -> int:
        found = await (await self._database()).fetchval(
            """
            SELECT coalesce(sum(next_offset), 0)::bigint FROM dispatcher.consumer_positions
            WHERE consumer = 'dispatcher' AND topic = $1
            """,
            orders.TOPIC,
        )
        return int(found)

    async def _due(self, now: datetime) -> int:
        found = await (await self._database()).fetchval(
            "SELECT count(*) FROM dispatcher.timers WHERE due_at <= $1", now
        )
        return int(found)

    async def _undelivered(self, moment: datetime) -> int:
        found = await (await self._database()).fetchval(
            """
            SELECT count(*) FROM dispatcher.sends
            LEFT JOIN dispatcher.deliveries ON deliveries.send_id = sends.send_id::text
            WHERE sends.sent_at >= $1 AND coalesce(deliveries.state IN ('queued', 'transmitting'), true)
            """,
            moment,
        )
        return int(found)

    async def _database(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None:
            self._connection = await asyncpg.connect(self._database_url, timeout=10, command_timeout=30)
        return self._connection

    async def _with_retries(self, operation: Callable[[], Awaitable[T]]) -> T:
        deadline = asyncio.get_running_loop().time() + TIMEOUT_SECONDS
        while True:
            try:
                return await operation()
            except CONNECTION_ERRORS as error:
                await self._drop()
                if asyncio.get_running_loop().time() > deadline:
                    raise Stuck(f"Kafka or PostgreSQL did not come back: {type(error).__name__}") from error
                await asyncio.sleep(0.3)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        consumer, self._consumer = self._consumer, None
        if connection is not None:
            connection.terminate()
        if consumer is not None:
            try:
                async with asyncio.timeout(5):
                    await consumer.stop()
            except (KafkaError, OSError, TimeoutError):
                pass  # The broker is already gone.
