"""The dispatcher's maximum throughput, compared with a bare loop that decodes and counts in memory.

The default campaigns are active, so each order event does its real work: updating the order, setting and moving
timers, and recording a decision with its reason. No timer becomes due, so this measures ingestion, not sending.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import orjson
import psutil
from aiokafka import ConsumerRecord

from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress, Record, bare_loop, committed, publish
from shared.contracts import orders
from shared.contracts.topics import ORDERS
from shared.messaging.topics import ensure_topics

STEPS = (orders.PLACED, orders.PAID, orders.SHIPPED, orders.DELIVERED)
ORDERS_BETWEEN_STEPS = 500
"""Orders placed between two steps of one order, so that a batch interleaves many orders."""
ORDERS_PER_CUSTOMER = 2
DUPLICATE_SHARE = 0.01
LIMIT_SECONDS = 300


async def measure(on: Environment, progress: Progress, events: int = 40_000) -> Result:
    """Raises WrongOutcome unless every order event has exactly one decision, and every order its timers."""
    await ensure_topics(on.settings(), [ORDERS])
    shop = _Shop(events // len(STEPS))
    records = list(shop)
    size = await publish(on, ORDERS, records, len(records), progress)
    bare = [await _bare_loop(on, len(records), progress)]
    rate, cpu_seconds = await _run_dispatcher(on, len(records), progress)
    bare.append(await _bare_loop(on, len(records), progress))
    await _check(on, shop)
    return Result(
        "orders",
        (
            Measure("order events handled, one decision each", rate, "per second"),
            Measure("complete orders of four events", rate / len(STEPS), "per second"),
            Measure("bare aiokafka loop, before", bare[0], "events per second"),
            Measure("bare aiokafka loop, after", bare[1], "events per second"),
            # Other load only slows a loop down, so the faster run is closer to its capability.
            Measure("ratio to the faster bare loop", rate / max(bare), ""),
            Measure("CPU time of the dispatcher", cpu_seconds / len(records) * 1e6, "µs per event"),
            Measure("size of an order event", size, "bytes"),
        ),
        (
            (
                f"{len(shop.published):,} events, {len(records) - len(shop.published):,} of them published twice, "
                "have exactly one decision each"
            ),
            f"each of {shop.orders:,} orders has two timers, each of {shop.customers:,} customers one more",
        ),
    )


@dataclass
class _Shop:
    """Interleaved orders that are placed, paid, shipped and delivered. ``published`` holds the events' ids."""

    orders: int
    published: set[str] = field(default_factory=set)

    @property
    def customers(self) -> int:
        return -(-self.orders // ORDERS_PER_CUSTOMER)

    def __iter__(self) -> Iterator[Record]:
        rng = random.Random(1)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for step in range(self.orders + ORDERS_BETWEEN_STEPS * (len(STEPS) - 1)):
            for position, kind in enumerate(STEPS):
                order = step - position * ORDERS_BETWEEN_STEPS
                if 0 <= order < self.orders:
                    record = self._record(
                        order, kind=kind, now=now, event_id=str(UUID(int=rng.getrandbits(128), version=4))
                    )
                    yield record
                    if rng.random() < DUPLICATE_SHARE:
                        yield record

    def _record(self, order: int, *, kind: str, now: str, event_id: str) -> Record:
        customer = f"c-{order % self.customers}"
        body = {
            "order_id": f"o-{order}",
            "occurred_at": now,
            "customer": {
                "id": customer,
                "email": f"{customer}@customers.example",
                "locale": "pt-BR",
                "country": "BR",
                "region": f"r{order % 27}",
                "tier": ("gold", "silver", "bronze")[order % 3],
            },
            "total": {"amount": f"{10 + order % 400}.90", "currency": "BRL"},
            "items": [{"sku": f"s-{order % 997}", "category": f"k{order % 70}", "quantity": 1, "price": "59.90"}],
        }
        self.published.add(event_id)
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", event_id.encode()),
            ("ce_source", b"/shop"),
            ("ce_type", kind.encode()),
            ("ce_time", now.encode()),
            ("content-type", b"application/json"),
        ]
        return Record(key=customer.encode(), value=orjson.dumps(body), headers=headers)


async def _bare_loop(on: Environment, events: int, progress: Progress) -> float:
    seen: Counter[str] = Counter()

    def count(records: "Sequence[ConsumerRecord[bytes, bytes]]") -> None:
        for record in records:
            seen[orjson.loads(record.value)["customer"]["region"]] += 1

    return await bare_loop(on, ORDERS, events, count, progress)


async def _run_dispatcher(on: Environment, events: int, progress: Progress) -> tuple[float, float]:
    """Events per second between the first and the last batch, and CPU seconds of the whole process."""
    progress("starting the dispatcher", 0)
    async with on.stack("dispatcher") as stack:
        process = psutil.Process(stack.running["dispatcher"].pid)
        database = await asyncpg.connect(on.database.owner_url)
        try:
            samples = [(time.perf_counter(), 0)]
            async with asyncio.timeout(LIMIT_SECONDS):
                while samples[-1][1] < events:
                    taken = await committed(database, "dispatcher", ORDERS)
                    if taken != samples[-1][1]:
                        samples.append((time.perf_counter(), taken))
                    progress("dispatcher", taken / events)
                    await asyncio.sleep(0.02)
            times = process.cpu_times()
        finally:
            await database.close()
    (began, before), (ended, after) = samples[1], samples[-1]
    if after == before:
        raise WrongOutcome("all events were handled in one batch, which gives no rate: use more events")
    return (after - before) / (ended - began), times.user + times.system


async def _check(on: Environment, shop: _Shop) -> None:
    database = await asyncpg.connect(on.database.owner_url)
    try:
        rows = await database.fetch("SELECT event_id FROM dispatcher.decisions WHERE event_id IS NOT NULL")
        about_order, recurring = await database.fetchrow(
            "SELECT count(order_id), count(*) - count(order_id) FROM dispatcher.timers"
        )
        dead_letters = await database.fetchval("SELECT count(*) FROM dispatcher.dead_letters")
    finally:
        await database.close()
    decided = Counter(row["event_id"] for row in rows)
    wrong = [event_id for event_id in shop.published | decided.keys() if decided[event_id] != 1]
    wrong += [event_id for event_id in decided if event_id not in shop.published]
    if wrong or dead_letters:
        raise WrongOutcome(
            f"{len(wrong)} of {len(shop.published)} order events do not have exactly one decision, "
            f"{dead_letters} became dead letters"
        )
    if (about_order, recurring) != (2 * shop.orders, shop.customers):
        raise WrongOutcome(
            f"there are {about_order} timers of orders and {recurring} recurring timers; "
            f"expected {2 * shop.orders} and {shop.customers}"
        )
