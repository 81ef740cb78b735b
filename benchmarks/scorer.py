"""The scorer's maximum throughput, compared with a bare loop that decodes and counts in memory.

The bare loop has no durable state, no deduplication and publishes nothing. The scorer does all of that, in one process,
on the same topic in the same run.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
import orjson
import psutil
from aiokafka import ConsumerRecord

from benchmarks.answers import Answers
from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress, bare_loop, committed, publish
from shared.contracts.topics import ANSWERS
from shared.messaging.topics import ensure_topics
from shared.nps import group_of

EXPECTED_RATIO = 0.2
MAX_MEMORY_GROWTH = 1.15
"""Resident memory at the end relative to that after a third of the answers, when caches are full."""


async def measure(on: Environment, progress: Progress, messages: int = 1_000_000) -> Result:
    """Raises WrongOutcome when a count differs from the expected one."""
    await ensure_topics(on.settings(), [ANSWERS])
    answers = Answers(count=messages)
    size = await publish(on, ANSWERS, answers, messages, progress)
    bare = [await _bare_loop(on, messages, progress)]
    run = await _run_scorer(on, messages, progress)
    bare.append(await _bare_loop(on, messages, progress))
    await _compare(on, answers.expected)

    # Other load only slows a loop down, so the faster run is closer to its capability.
    ratio = run.rate / max(bare)
    growth = run.memory_end / run.memory_third
    return Result(
        "scorer",
        (
            Measure("answers handled, all features on", run.rate, "per second"),
            Measure("bare aiokafka loop, before", bare[0], "per second"),
            Measure("bare aiokafka loop, after", bare[1], "per second"),
            Measure(
                "ratio to the faster bare loop",
                ratio,
                "",
                expected=f"at least {EXPECTED_RATIO}",
                met=ratio >= EXPECTED_RATIO,
            ),
            Measure("CPU time of the scorer", run.cpu_seconds / messages * 1e6, "µs per answer"),
            Measure("resident memory after a third", run.memory_third / 2**20, "MiB"),
            Measure("resident memory at the end", run.memory_end / 2**20, "MiB"),
            Measure(
                "memory growth", growth, "", expected=f"at most {MAX_MEMORY_GROWTH}", met=growth <= MAX_MEMORY_GROWTH
            ),
            Measure("size of an answer", size, "bytes"),
        ),
        (f"all {len(answers.expected):,} counts by segment and day are correct for {messages:,} records",),
    )


async def _bare_loop(on: Environment, messages: int, progress: Progress) -> float:
    counts: Counter[tuple[str, str, str]] = Counter()

    def count(records: "Sequence[ConsumerRecord[bytes, bytes]]") -> None:
        for record in records:
            answer = orjson.loads(record.value)
            day, group = answer["answered_at"][:10], group_of(answer["score"])
            for dimension, value in answer["segments"].items():
                counts[dimension + ":" + value, day, group] += 1

    return await bare_loop(on, ANSWERS, messages, count, progress)


@dataclass(kw_only=True)
class _Run:
    rate: float
    memory_third: float
    memory_end: float
    cpu_seconds: float


@dataclass
class _Samples:
    """Samples taken while the scorer works: time in seconds, records committed, resident bytes."""

    taken: list[tuple[float, int, int]] = field(default_factory=list)

    def memory_at(self, records: float) -> float:
        return next(memory for _, committed, memory in self.taken if committed >= records)


async def _run_scorer(on: Environment, messages: int, progress: Progress) -> _Run:
    progress("starting the scorer", 0)
    async with on.stack("scorer") as stack:
        process = psutil.Process(stack.running["scorer"].pid)
        database = await asyncpg.connect(on.database.owner_url)
        try:
            samples = _Samples()
            while not samples.taken or samples.taken[-1][1] < messages:
                taken = await committed(database, "scorer", ANSWERS)
                samples.taken.append((time.perf_counter(), taken, process.memory_info().rss))
                progress("scorer", taken / messages)
                await asyncio.sleep(0.03)
            times = process.cpu_times()
            await _until_published(database)
        finally:
            await database.close()
    began, before, _ = next(sample for sample in samples.taken if sample[1] > 0)
    ended, after, _ = samples.taken[-1]
    return _Run(
        rate=(after - before) / (ended - began),
        memory_third=samples.memory_at(messages / 3),
        memory_end=samples.taken[-1][2],
        cpu_seconds=times.user + times.system,
    )


async def _until_published(database: "asyncpg.Connection[asyncpg.Record]") -> None:
    due = """
        SELECT EXISTS (SELECT FROM scorer.day_changes) OR EXISTS (SELECT FROM scorer.outbox)
            OR EXISTS (SELECT FROM scorer.window_sums WHERE waiting_since IS NOT NULL)
    """
    async with asyncio.timeout(60):
        while await database.fetchval(due):  # polls, because another process's table has no event to wait for
            await asyncio.sleep(0.05)


async def _compare(on: Environment, expected: Counter[tuple[str, str, str]]) -> None:
    database = await asyncpg.connect(on.database.owner_url)
    try:
        rows = await database.fetch(
            """
            SELECT dimension, value, day, promoters, passives, detractors
            FROM (SELECT segment_id, day, promoters, passives, detractors FROM scorer.day_counts
                  UNION ALL
                  SELECT segment_id, day, promoters, passives, detractors FROM scorer.day_changes) AS counted
            JOIN scorer.segments ON segments.id = segment_id
            """
        )
    finally:
        await database.close()
    stored: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        segment = f"{row['dimension']}:{row['value']}" if row["dimension"] else row["value"]
        for group in ("promoter", "passive", "detractor"):
            stored[segment, row["day"].isoformat(), group] += row[f"{group}s"]
    wrong = [key for key in expected.keys() | stored.keys() if expected[key] != stored[key]]
    if wrong:
        key = min(wrong)
        raise WrongOutcome(
            f"{len(wrong)} counts are wrong, such as {key}: {stored[key]} stored, {expected[key]} expected"
        )
