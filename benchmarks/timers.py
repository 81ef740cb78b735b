"""The dispatcher's timers in PostgreSQL: setting, claiming, deferring and cancelling them, however many are pending.

Right after a bulk load, with statistics of an empty table and then with current ones; and while another transaction
holds a snapshot, as a dump of the database does, so that what was handled stays in the table and its indexes.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
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
from deploy.local.provision import Database, temporary_database
from services.dispatcher.domain.timers import Timer
from services.dispatcher.repository import timers
from services.dispatcher.settings import DispatcherSettings
from shared.persistence.migrations import migrate
from shared.persistence.transaction import transaction
from shared.runtime import Runtime, open_runtime
from shared.timers import Due
from shared.watermark import Claimed

FEW = 10_000
BATCH = 100
BATCHES = 20
WARM_UP = 5
"""Batches of each kind that are not measured: statements are prepared, pages read."""
CUSTOMERS = 200_000
ROUND_SECONDS = 15.0
"""How long timers come due beside a snapshot; long enough for a walk from the beginning, which is rare."""
MOST_RATIO = 1.3

NOW = datetime(2026, 11, 1, tzinfo=UTC)
_KNOWN_BY = datetime(9999, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

Times = dict[str, float]
"""Median seconds a batch, by what was done."""


async def measure(on: Environment, progress: Progress, pending: int = 1_000_000) -> Result:
    """Few timers are in one database and ``pending`` ones in another. What is compared alternates between the two, so
    that both meet the same machine. Raises WrongOutcome when a batch did not claim what was due first."""
    async with (
        temporary_database(on.database.owner_url) as other,
        _side(on, other) as few,
        _side(on, on.database) as many,
    ):
        progress("loading", 0)
        await few.load(FEW)
        await few.execute("ANALYZE timers, customers")
        await many.load(pending)
        progress("without statistics", 0.2)
        _, fresh = await _batches(few, many)
        await many.execute("ANALYZE timers, customers")
        progress("with statistics", 0.4)
        base, analyzed = await _batches(few, many)
        progress("handling all of them", 0.5)
        await few.load(FEW)
        async with many.snapshot():
            for side in (few, many):
                await side.execute("DELETE FROM timers")
            none_dead, all_dead = await _rounds(few, many, progress)
    return Result(
        "timers",
        (
            *_figures_of_batches(pending, base, fresh, analyzed),
            *_figures_of_rounds(pending, none_dead, all_dead),
        ),
        (
            f"each of {4 * (BATCHES + WARM_UP)} batches claimed the {BATCH} timers due first",
            f"each of {len(none_dead) + len(all_dead):,} rounds found the {BATCH} that had come due",
        ),
    )


def _figures_of_batches(pending: int, base: Times, fresh: Times, analyzed: Times) -> list[Measure]:
    figures = []
    for name, few in base.items():
        figures += [
            Measure(f"{name} {BATCH} timers, {FEW:,} pending", few * 1_000, "ms"),
            Measure(f"the same, {pending:,} pending", analyzed[name] * 1_000, "ms"),
            _ratio("ratio", analyzed[name] / few, expected=name == "claim"),
            _ratio("ratio right after a bulk load, without statistics", fresh[name] / few, expected=name == "claim"),
        ]
    return figures


def _figures_of_rounds(pending: int, none_dead: Sequence[float], all_dead: Sequence[float]) -> list[Measure]:
    figures = []
    for name, average in (("median", median), ("mean", fmean)):
        bare, ours = average(none_dead), average(all_dead)
        figures += [
            Measure(f"looking for {BATCH} that came due, and claiming them: {name}", bare * 1_000, "ms"),
            Measure(f"the same beside a snapshot and {pending:,} that were handled", ours * 1_000, "ms"),
            # The mean has the returns to the beginning, which may take a twentieth of the time, however quick the rest.
            _ratio("ratio", ours / bare, expected=name == "median"),
        ]
    return figures


def _ratio(name: str, value: float, *, expected: bool) -> Measure:
    if not expected:
        return Measure(name, value, "")
    return Measure(name, value, "", expected=f"at most {MOST_RATIO}", met=value <= MOST_RATIO)


@dataclass(frozen=True, slots=True)
class _Side:
    """A dispatcher's database."""

    runtime: Runtime[Any]
    url: str

    async def load(self, pending: int) -> None:
        """``pending`` timers a second apart, half of them due, with nothing known to the planner. Autovacuum is off: it
        would collect statistics in between, and what is handled should stay."""
        await self.execute(
            "TRUNCATE timers, customers",
            "ALTER TABLE timers SET (autovacuum_enabled = off)",
            "ALTER TABLE customers SET (autovacuum_enabled = off)",
            f"INSERT INTO customers (customer_id) SELECT lpad(n::text, 9, '0') FROM generate_series(1, {CUSTOMERS}) n",
            f"""
            INSERT INTO timers (timer_id, campaign, customer_id, order_id, cause, occurrence, milestone_at, due_at)
            SELECT gen_random_uuid(), 'service-nps', lpad(n::text, 9, '0'), 'o-' || n, 'milestone', 0, due_at, due_at
            FROM generate_series(1, {pending}) AS n
            CROSS JOIN LATERAL (
                SELECT CAST('{NOW}' AS timestamptz) + make_interval(secs => n - {pending // 2}) AS due_at
            ) AS due
            """,
        )

    async def execute(self, *statements: str) -> None:
        """On a connection without the time limits of a service."""
        database = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await database.execute(statement)
        finally:
            await database.close()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """What another session sees, for as long as the block lasts."""
        database = await asyncpg.connect(self.url)
        try:
            await database.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await database.fetchval("SELECT count(*) FROM customers")
            yield
        finally:
            await database.close()


@asynccontextmanager
async def _side(on: Environment, database: Database) -> AsyncIterator[_Side]:
    url = database.service_urls["dispatcher"]
    settings = DispatcherSettings(
        kafka_bootstrap_servers=on.kafka_bootstrap_servers,
        topic_prefix=on.topic_prefix,
        secret=SecretStr("benchmark" * 8),
        database_url=SecretStr(url),
    )
    async with open_runtime("dispatcher", settings) as runtime:
        await migrate("dispatcher", runtime.engine)
        yield _Side(runtime, url)


async def _batches(few: _Side, many: _Side) -> tuple[Times, Times]:
    """The times on both sides, by turns."""
    times: list[dict[str, list[float]]] = [{"claim": [], "set": [], "defer": [], "cancel": []} for _ in range(2)]
    for _ in range(BATCHES + WARM_UP):
        for side, theirs in zip((few, many), times, strict=True):
            await _batch(side.runtime, theirs)
    first, second = ({name: median(each[WARM_UP:]) for name, each in theirs.items()} for theirs in times)
    return first, second


async def _batch(runtime: Runtime[Any], times: dict[str, list[float]]) -> None:
    async with _timed(times["claim"], runtime) as connection:
        claimed = await timers.claim(
            connection, now=NOW, watermark=NOW - timedelta(days=365), most=BATCH, known_by=_KNOWN_BY
        )
    if len(claimed.ids) != BATCH or int(claimed.ids[-1]) - int(claimed.ids[0]) + 1 != BATCH:
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


@asynccontextmanager
async def _timed(times: list[float], runtime: Runtime[Any]) -> AsyncIterator[AsyncConnection]:
    """A transaction, of which the statements are timed but not the commit, whose time is that of the disk."""
    async with transaction(runtime.engine) as connection:
        began = time.perf_counter()
        yield connection
        times.append(time.perf_counter() - began)


async def _rounds(few: _Side, many: _Side, progress: Progress) -> tuple[list[float], list[float]]:
    """Seconds to look for timers that have just come due and to claim them, each time of other customers, on both sides
    by turns."""
    loops = [(side.runtime, Due(side.runtime, _Table(), most=BATCH + 1)) for side in (few, many)]
    times: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    while (passed := time.perf_counter() - began) < ROUND_SECONDS:
        progress("beside a snapshot", 0.5 + passed / ROUND_SECONDS / 2)
        for (runtime, due), theirs in zip(loops, times, strict=True):
            now = NOW + timedelta(days=100, seconds=len(theirs))
            await _come_due(runtime, now, first=len(theirs) * BATCH % CUSTOMERS + 1)
            theirs.append(await _round(due, now))
    return times[0][WARM_UP:], times[1][WARM_UP:]


async def _round(due: Due, now: datetime) -> float:
    before = time.perf_counter()
    if not await due.anything(now):
        raise WrongOutcome("what has come due was not found")
    async with due.batch(now) as batch:
        seconds = time.perf_counter() - before
        if batch is None or len(batch.ids) != BATCH:
            raise WrongOutcome(f"not all of the {BATCH} timers that have come due were found")
        found = await timers.of_customers(batch.connection, batch.ids, now)
        await timers.remove(batch.connection, [timer.timer_id for timer in found])
    return seconds


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
