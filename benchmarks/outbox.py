"""How quickly the outbox is published while a snapshot is held, as `pg_dump` holds one, and much was deleted.

PostgreSQL cannot remove rows that were deleted since the oldest snapshot was taken, so whoever looks for the first row
walks over all of them. Records are committed one after the other, with and without such a snapshot. The same for due
timers is in `timers`.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer
from pydantic import SecretStr

from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress
from shared.contracts.topics import ORDERS
from shared.messaging.records import Record
from shared.messaging.repository import outbox
from shared.messaging.topics import ensure_topics
from shared.persistence.migrations import migrate
from shared.persistence.transaction import transaction
from shared.runtime import open_runtime

LOOKS = 200
"""Records that are committed, each when the one before has arrived."""
MOST_TIMES = 2.0
"""What a record may take with the snapshot, of what it takes without."""
TIMEOUT_SECONDS = 30.0

Look = Callable[[], Awaitable[float]]
"""Commits a record, and returns the seconds until it has arrived."""


async def measure(on: Environment, progress: Progress, deleted: int = 1_000_000) -> Result:
    """Raises WrongOutcome when a record does not arrive, or PostgreSQL could remove what was deleted."""
    async with _outbox(on) as look:
        without = await _looks(look, progress, "nothing deleted")
    progress(f"deleting {deleted:,} rows", 0)
    connection = await asyncpg.connect(on.database.owner_url)
    try:
        async with _held_snapshot(on):
            await connection.execute("SET search_path = scorer")
            await connection.execute(_FILL.format(deleted=deleted))
            await connection.execute("DELETE FROM outbox")
            async with _outbox(on) as look:
                held = await _looks(look, progress, f"{deleted:,} deleted")
            walked = await _dead_rows(connection)
    finally:
        await connection.close()
    if walked < deleted:
        raise WrongOutcome(f"only {walked:,} deleted rows were left to walk over")
    figures = []
    for name, share in (("p50", 0.5), ("p90", 0.9), ("slowest", 1.0)):
        figures.append(Measure(f"commit to consumer, {name}", _quantile(without, share) * 1e3, "ms"))
        figures.append(Measure(f"with {deleted:,} deleted and a snapshot, {name}", _quantile(held, share) * 1e3, "ms"))
    ratio = _quantile(held, 0.5) / _quantile(without, 0.5)
    expected = f"at most {MOST_TIMES:.0f}"
    figures.append(Measure("ratio, p50", ratio, "times", expected=expected, met=ratio <= MOST_TIMES))
    return Result(
        "outbox",
        figures,
        (f"each of {2 * LOOKS:,} records arrived; none of {deleted:,} deleted rows had been removed meanwhile",),
    )


async def _looks(look: Look, progress: Progress, step: str) -> list[float]:
    took = []
    for number in range(LOOKS):
        took.append(await asyncio.wait_for(look(), TIMEOUT_SECONDS))
        progress(step, number / LOOKS)
        # Longer than the distance that the relay keeps between publications.
        await asyncio.sleep(0.02)
    return sorted(took)


_FILL = """
    INSERT INTO outbox (topic, key, headers, value)
    SELECT 'orders', 'k', '[]', 'v' FROM generate_series(1, {deleted})
"""


@asynccontextmanager
async def _held_snapshot(on: Environment) -> AsyncIterator[None]:
    connection = await asyncpg.connect(on.database.owner_url)
    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await connection.execute("SELECT 1")
        yield
    finally:
        await connection.close()


async def _dead_rows(connection: "asyncpg.Connection[Any]") -> int:
    """Deleted rows that nothing has removed; asked of a vacuum, which would remove what can be."""
    told: list[str] = []
    connection.add_log_listener(lambda _, message: told.append(str(message)))
    await connection.execute("VACUUM (VERBOSE, INDEX_CLEANUP OFF) outbox")
    await asyncio.sleep(0.1)
    found = " ".join(told).partition(" are dead but not yet removable")[0].rpartition(" ")[2]
    return int(found or 0)


@asynccontextmanager
async def _outbox(on: Environment) -> AsyncIterator[Look]:
    """From the commit of a record until a consumer has it."""
    settings = on.settings().model_copy(update={"database_url": SecretStr(on.database.service_urls["scorer"])})
    await ensure_topics(settings, [ORDERS])
    consumer = AIOKafkaConsumer(on.topic(ORDERS.name), bootstrap_servers=on.kafka_bootstrap_servers)
    stop = asyncio.Event()
    async with open_runtime("scorer", settings) as runtime:
        await migrate("scorer", runtime.engine)
        await consumer.start()
        await consumer.seek_to_end()
        running = asyncio.create_task(runtime.relay.run(stop))

        async def look() -> float:
            value = uuid4().bytes
            async with transaction(runtime.engine) as connection:
                await outbox.put(connection, [Record(topic=ORDERS.name, key=b"k", value=value, headers=())])
            runtime.relay.wake()
            began = time.perf_counter()
            if (await consumer.getone()).value != value:
                raise WrongOutcome("another record arrived than was committed")
            return time.perf_counter() - began

        try:
            await look()
            yield look
        finally:
            stop.set()
            await running
            await consumer.stop()


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank."""
    return ordered[max(1, math.ceil(len(ordered) * share)) - 1]
