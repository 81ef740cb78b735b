"""The dispatcher's timers in PostgreSQL: setting, claiming, deferring and cancelling them, however many are pending.

Right after a bulk load, with statistics of an empty table and then with current ones; and while another transaction
holds a snapshot, as a dump of the database does, so that what was handled stays in the table and its indexes.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import fmean, median
from typing import Any
from uuid import uuid4

import asyncpg
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress
from services.dispatcher.domain.timers import Timer
from services.dispatcher.repository import timers
from services.dispatcher.settings import DispatcherSettings
from shared.persistence.migrations import migrate
from shared.persistence.transaction import transaction
from shared.runtime import Runtime, open_runtime
from shared.timers import Due
from shared.watermark import Claimed

FEW = 10_000
BATCH = 200
BATCHES = 20
WARM_UP = 5
"""Batches of each kind that are not measured: statements are prepared, pages read."""
CUSTOMERS = 200_000
ROUND_SECONDS = 10.0
"""How long timers come due beside a snapshot; long enough for a walk from the beginning, which is rare."""
MOST_RATIO = 1.3

NOW = datetime(2026, 11, 1, tzinfo=UTC)
_KNOWN_BY = datetime(9999, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

Times = dict[str, float]
"""Median seconds a batch, by what was done."""


async def measure(on: Environment, progress: Progress, pending: int = 1_000_000) -> Result:
    """Raises WrongOutcome when a batch did not claim what was due first."""
    url = on.database.service_urls["dispatcher"]
    settings = DispatcherSettings(
        kafka_bootstrap_servers=on.kafka_bootstrap_servers,
        topic_prefix=on.topic_prefix,
        secret=SecretStr("benchmark" * 8),
        database_url=SecretStr(url),
    )
    async with open_runtime("dispatcher", settings) as runtime:
        await migrate("dispatcher", runtime.engine)
        progress(f"{FEW:,} timers", 0)
        await _load(url, FEW)
        await _execute(url, "ANALYZE timers, customers")
        few = await _times(runtime)
        progress(f"{pending:,} timers", 0.2)
        await _load(url, pending)
        fresh = await _times(runtime)
        await _execute(url, "ANALYZE timers, customers")
        many = await _times(runtime)
        none_dead, all_dead = [await _beside_a_snapshot(runtime, url, handled, progress) for handled in (0, pending)]
    figures: list[Measure] = []
    for name in ("claim", "set", "defer", "cancel"):
        ratio, fresh_ratio = many[name] / few[name], fresh[name] / few[name]
        figures += [
            Measure(f"{name} {BATCH} timers, {FEW:,} pending", few[name] * 1_000, "ms"),
            Measure(f"the same, {pending:,} pending", many[name] * 1_000, "ms"),
            _ratio("ratio", ratio, expected=name == "claim"),
            _ratio("ratio right after a bulk load, without statistics", fresh_ratio, expected=name == "claim"),
        ]
    for name, average in (("median", median), ("mean", fmean)):
        bare, ours = average(none_dead), average(all_dead)
        figures += [
            Measure(f"looking for {BATCH} that came due, and claiming them: {name}", bare * 1_000, "ms"),
            Measure(f"the same beside a snapshot and {pending:,} that were handled", ours * 1_000, "ms"),
            _ratio("ratio", ours / bare, expected=True),
        ]
    return Result(
        "timers",
        tuple(figures),
        (
            f"each of {3 * (BATCHES + WARM_UP)} batches claimed the {BATCH} timers due first",
            f"each of {len(none_dead) + len(all_dead):,} rounds found the {BATCH} that had come due",
        ),
    )


def _ratio(name: str, value: float, *, expected: bool) -> Measure:
    if not expected:
        return Measure(name, value, "")
    return Measure(name, value, "", expected=f"at most {MOST_RATIO}", met=value <= MOST_RATIO)


async def _times(runtime: Runtime[Any]) -> Times:
    times: dict[str, list[float]] = {"claim": [], "set": [], "defer": [], "cancel": []}
    for _ in range(BATCHES + WARM_UP):
        async with _timed(times["claim"], runtime) as connection:
            claimed = await _claim(connection)
        if int(claimed.ids[-1]) - int(claimed.ids[0]) + 1 != len(claimed.ids) or not claimed.full:
            raise WrongOutcome(f"a batch did not claim the first {BATCH}, but {claimed.ids}")
        async with transaction(runtime.engine) as connection:
            taken = await timers.of_customers(connection, claimed.ids, NOW)
            await timers.remove(connection, [timer.timer_id for timer in taken])
        new = [replace(timer, due_at=NOW + _SECOND, check_at=NOW + _SECOND) for timer in taken]
        async with _timed(times["set"], runtime) as connection:
            await timers.put(connection, new)
        async with _timed(times["defer"], runtime) as connection:
            await timers.put(connection, [replace(timer, check_at=NOW + timedelta(days=90)) for timer in new])
        async with _timed(times["cancel"], runtime) as connection:
            await timers.remove(connection, [timer.timer_id for timer in new])
    return {name: median(each[WARM_UP:]) for name, each in times.items()}


async def _claim(connection: AsyncConnection) -> Claimed:
    return await timers.claim(connection, now=NOW, watermark=NOW - timedelta(days=365), most=BATCH, known_by=_KNOWN_BY)


@asynccontextmanager
async def _timed(times: list[float], runtime: Runtime[Any]) -> AsyncIterator[AsyncConnection]:
    """A transaction, of which the statements are timed but not the commit, whose time is that of the disk."""
    async with transaction(runtime.engine) as connection:
        began = time.perf_counter()
        yield connection
        times.append(time.perf_counter() - began)


async def _load(url: str, pending: int) -> None:
    """``pending`` timers a second apart, half of them due, with nothing known to the planner. Autovacuum is off: it
    would collect statistics in between, and what is handled should stay."""
    await _execute(
        url,
        "TRUNCATE timers, customers",
        "ALTER TABLE timers SET (autovacuum_enabled = off)",
        "ALTER TABLE customers SET (autovacuum_enabled = off)",
        f"INSERT INTO customers (customer_id) SELECT lpad(n::text, 9, '0') FROM generate_series(1, {CUSTOMERS}) AS n",
        f"""
        INSERT INTO timers (timer_id, campaign, customer_id, order_id, cause, occurrence, milestone_at, due_at)
        SELECT gen_random_uuid(), 'service-nps', lpad(n::text, 9, '0'), 'o-' || n, 'milestone', 0, due_at, due_at
        FROM generate_series(1, {pending}) AS n
        CROSS JOIN LATERAL (
            SELECT CAST('{NOW}' AS timestamptz) + make_interval(secs => n - {pending // 2}) AS due_at
        ) AS due
        """,
    )


async def _beside_a_snapshot(runtime: Runtime[Any], url: str, handled: int, progress: Progress) -> list[float]:
    """Seconds to look for timers that have just come due and to claim them, each time of other customers, after so many
    timers were handled that a snapshot still sees."""
    await _load(url, max(handled, FEW))
    snapshot = await asyncpg.connect(url)
    try:
        if handled:
            await snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await snapshot.fetchval("SELECT count(*) FROM customers")
        await _execute(url, "DELETE FROM timers")
        due = Due(runtime, _Table(), most=BATCH + 1)
        times: list[float] = []
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < ROUND_SECONDS:
            progress(f"beside {handled:,} that were handled", passed / ROUND_SECONDS)
            now = NOW + timedelta(days=100, seconds=len(times))
            await _come_due(runtime, now, first=len(times) * BATCH % CUSTOMERS + 1)
            before = time.perf_counter()
            if not await due.anything(now):
                raise WrongOutcome("what has come due was not found")
            async with due.batch(now) as batch:
                times.append(time.perf_counter() - before)
                if batch is None or len(batch.ids) != BATCH:
                    raise WrongOutcome(f"not all of the {BATCH} timers that have come due were found")
                found = await timers.of_customers(batch.connection, batch.ids, now)
                await timers.remove(batch.connection, [timer.timer_id for timer in found])
        return times
    finally:
        await snapshot.close()


class _Table:
    """The timers' statements, all of them known."""

    async def next_due(self, connection: AsyncConnection, *, since: datetime) -> datetime | None:
        return await timers.next_due(connection, since)

    async def claim(self, connection: AsyncConnection, *, now: datetime, watermark: datetime, most: int) -> Claimed:
        return await timers.claim(connection, now=now, watermark=watermark, most=most, known_by=_KNOWN_BY)


async def _come_due(runtime: Runtime[Any], now: datetime, *, first: int) -> None:
    """Sets timers of ``BATCH`` customers that are due ``now``."""
    async with transaction(runtime.engine) as connection:
        await timers.put(
            connection,
            [
                Timer(
                    timer_id=str(uuid4()),
                    campaign="service-nps",
                    customer_id=f"{number:09}",
                    order_id=None,
                    cause="request",
                    occurrence=0,
                    due_at=now,
                    check_at=now,
                )
                for number in range(first, first + BATCH)
            ],
        )


async def _execute(url: str, *statements: str) -> None:
    """On a connection without the time limits of a service."""
    database = await asyncpg.connect(url)
    try:
        for statement in statements:
            await database.execute(statement)
    finally:
        await database.close()
