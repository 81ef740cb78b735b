"""What the relay adds: from a commit to the record at a consumer, one by one, and how fast it empties a full outbox.

Two relays of one schema run, as dispatcher and courier do; one of them has the turn. Records are committed beside the
one that has it and beside the other, which then has to wake the first. The bare producer sends the same records to the
same topic without an outbox. Records are so far apart that none waits for the one before: the distance that relays keep
between publications is measured by ``reaction``.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress
from shared.contracts.topics import ORDERS
from shared.health import Health
from shared.messaging.fenced_producer import FencedProducer
from shared.messaging.records import Record
from shared.messaging.relay import Relay
from shared.messaging.repository import outbox
from shared.messaging.topics import ensure_topics
from shared.persistence.engine import open_engine
from shared.persistence.migrations import migrate
from shared.persistence.transaction import autocommit, transaction
from shared.settings import ServiceSettings

SINGLE = 400
WARM_UP = 50
"""Single records that are sent first and not measured."""
BACKLOG = 200_000
CHUNK = 10_000
APART_SECONDS = 0.02
ARRIVAL_TIMEOUT_SECONDS = 10.0
EMPTY_TIMEOUT_SECONDS = 120.0
MOST_TIMES_BARE = 4

Send = Callable[[Record], Awaitable[None]]
"""Sends the record; the clock starts when it returns."""


async def measure(on: Environment, progress: Progress) -> Result:
    """Raises WrongOutcome when a record is missing."""
    settings = on.settings().model_copy(update={"database_url": SecretStr(on.database.service_urls["scorer"])})
    await ensure_topics(settings, [ORDERS])
    async with AsyncExitStack() as opened:
        engine = open_engine(settings.database_url.get_secret_value(), name="benchmark")
        opened.push_async_callback(engine.dispose)
        await migrate("scorer", engine)
        consumer = AIOKafkaConsumer(
            on.topic(ORDERS.name),
            bootstrap_servers=on.kafka_bootstrap_servers,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        await consumer.start()
        opened.push_async_callback(consumer.stop)
        bare = [await _bare(on, consumer, progress)]
        with_turn, without = await _relays(opened, settings)
        beside = {}
        for name, relay in (("with", with_turn), ("without", without)):
            progress(f"relay {name} the turn", 0)

            async def commit(record: Record, relay: Relay = relay) -> None:
                async with transaction(engine) as connection:
                    await outbox.put(connection, [record])
                relay.wake()

            beside[name] = await _one_by_one(commit, consumer)
        bare.append(await _bare(on, consumer, progress))
        fenced = await _fenced(on, consumer, progress)
        rate = await _backlog(on, engine, consumer, with_turn, progress)
    figures = [Measure("bare producer to consumer, p50", min(p50 for p50, _ in bare), "ms")]
    figures.append(Measure("bare producer to consumer, p99", min(p99 for _, p99 in bare), "ms"))
    figures.append(Measure("fenced producer to consumer, p50", fenced[0], "ms"))
    figures.append(Measure("fenced producer to consumer, p99", fenced[1], "ms"))
    without_outbox = min(p50 for p50, _ in bare)
    for name, (p50, p99) in beside.items():
        figures.append(
            Measure(
                f"commit to consumer, process {name} the turn, p50",
                p50,
                "ms",
                expected=f"at most {MOST_TIMES_BARE} times the bare producer's",
                met=p50 <= MOST_TIMES_BARE * without_outbox,
            )
        )
        figures.append(Measure(f"commit to consumer, process {name} the turn, p99", p99, "ms"))
    figures.append(Measure("a full outbox is emptied at", rate, "records per second"))
    return Result("relay", tuple(figures), (f"each of {SINGLE * 5:,} single records arrived, in order",))


async def _relays(opened: AsyncExitStack, settings: ServiceSettings) -> tuple[Relay, Relay]:
    """Two running relays, the first of which has the turn."""
    relays = []
    for name in ("first", "second"):
        relay = Relay(settings, Health(), name)
        stop = asyncio.Event()
        task = asyncio.create_task(relay.run(stop))

        async def end(stop: asyncio.Event = stop, task: "asyncio.Task[None]" = task) -> None:
            stop.set()
            await task

        opened.push_async_callback(end)
        relays.append(relay)
        await asyncio.sleep(1)
    return relays[0], relays[1]


async def _one_by_one(send: Send, consumer: AIOKafkaConsumer) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    took = []
    for number in range(WARM_UP + SINGLE):
        record = _record(number)
        await send(record)
        began = time.perf_counter()
        received = await asyncio.wait_for(consumer.getone(), ARRIVAL_TIMEOUT_SECONDS)
        if received.value != record.value:
            raise WrongOutcome(f"received {received.value!r} instead of {record.value!r}")
        if number >= WARM_UP:
            took.append((time.perf_counter() - began) * 1_000)
        await asyncio.sleep(APART_SECONDS)
    return _percentile(took, 50), _percentile(took, 99)


async def _bare(on: Environment, consumer: AIOKafkaConsumer, progress: Progress) -> tuple[float, float]:
    progress("bare producer", 0)
    producer = AIOKafkaProducer(bootstrap_servers=on.kafka_bootstrap_servers, enable_idempotence=True)
    await producer.start()

    async def send(record: Record) -> None:
        await producer.send(on.topic(record.topic), key=record.key, value=record.value, headers=record.headers)

    try:
        return await _one_by_one(send, consumer)
    finally:
        await producer.stop()


async def _fenced(on: Environment, consumer: AIOKafkaConsumer, progress: Progress) -> tuple[float, float]:
    """The same with the relay's producer: what shutting out earlier relays costs."""
    progress("fenced producer", 0)
    producer = FencedProducer(
        transactional_id=on.topic("benchmark"), request_timeout_ms=5_000, bootstrap_servers=on.kafka_bootstrap_servers
    )
    await producer.start()

    async def send(record: Record) -> None:
        await producer.send(on.topic(record.topic), key=record.key, value=record.value, headers=record.headers)

    try:
        return await _one_by_one(send, consumer)
    finally:
        await producer.abandon()


async def _backlog(
    on: Environment, engine: AsyncEngine, consumer: AIOKafkaConsumer, relay: Relay, progress: Progress
) -> float:
    """Records per second, from the commit of them all until the outbox is empty.

    Raises WrongOutcome unless all of them are on the topic then.
    """
    progress("full outbox", 0)
    before = await _on_topic(consumer)
    async with transaction(engine) as connection:
        for start in range(0, BACKLOG, CHUNK):
            await outbox.put(connection, [_record(number) for number in range(start, start + CHUNK)])
    relay.wake()
    began = time.perf_counter()
    async with asyncio.timeout(EMPTY_TIMEOUT_SECONDS):
        while True:
            async with autocommit(engine) as connection:
                if not (await outbox.oldest(connection, 1, most_bytes=1)).records:
                    break
            await asyncio.sleep(0.05)
    seconds = time.perf_counter() - began
    if (found := await _on_topic(consumer) - before) != BACKLOG:
        raise WrongOutcome(f"{found:,} of {BACKLOG:,} records are on {on.topic(ORDERS.name)}")
    return BACKLOG / seconds


async def _on_topic(consumer: AIOKafkaConsumer) -> int:
    """How many records there are, from the ends of all partitions."""
    return sum((await consumer.end_offsets(consumer.assignment())).values())


def _record(number: int) -> Record:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"5b6ff3c0-2f5c-5d0e-9f3a-%012d" % number),
        ("ce_source", b"/hearback/benchmark"),
        ("ce_type", b"answer.recorded"),
        ("ce_time", b"2026-11-01T09:30:00+00:00"),
        ("content-type", b"application/json"),
    ]
    value = b'{"number": %d, "filler": "%s"}' % (number, b"x" * 300)
    return Record(topic=ORDERS.name, key=b"k%d" % (number % 997), value=value, headers=headers)


def _percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]
