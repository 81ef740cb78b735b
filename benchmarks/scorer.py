"""The scorer's maximum throughput, compared with a bare loop that decodes and counts in memory.

The bare loop has no durable state, no deduplication and publishes nothing. The scorer does all of that, in one process,
on the same topic in the same run.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import asyncpg
import orjson
import psutil
from aiokafka import ConsumerRecord

from benchmarks.answers import DAYS, PLAIN, Answers, CountKey, Kind
from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress, bare_loop, committed, publish
from shared.contracts.topics import ANSWERS
from shared.messaging.topics import ensure_topics
from shared.nps import group_of

EXPECTED_RATIO, EXPECTED_RATIO_OF_RICH, EXPECTED_RATIO_OF_STORED = 0.4, 0.12, 0.8
"""Of plain answers, to the faster bare loop in the same run."""
_START_SECONDS, _SLOWEST, _FOLD_SECONDS = 60, 1_000, 300
"""A scorer that takes longer than this (a second for a thousand answers) stands still."""
MAX_MEMORY_GROWTH = 1.15
"""Resident memory at the end relative to that after a third of the answers, when caches are full."""


async def measure(on: Environment, progress: Progress, messages: int = 1_000_000, kind: Kind = PLAIN) -> Result:
    """Raises WrongOutcome when a count differs from the expected one."""
    await ensure_topics(on.settings(), [ANSWERS])
    answers = Answers(count=messages, kind=kind)
    size = await publish(on, ANSWERS, answers, messages, progress)
    bare = [await _bare_loop(on, messages, progress)]
    # With ten thousand segments, half of the changes are not folded yet when the last answer is committed. The clock
    # goes on until they are: what is put off is not saved. When all is published has a benchmark of its own.
    run = await _run_scorer(on, messages, progress, until_published=kind is PLAIN, until_folded=kind is not PLAIN)
    bare.append(await _bare_loop(on, messages, progress))
    await _compare(on, answers.expected, surveys=answers.surveys)

    # Other load only slows a loop down, so the faster run is closer to its capability.
    ratio = run.rate / max(bare)
    growth = run.memory_end / run.memory_third
    return Result(
        "scorer" if kind is PLAIN else "scorer-rich",
        (
            Measure("answers handled, all features on", run.rate, "per second"),
            *run.folding,
            Measure("bare aiokafka loop, before", bare[0], "per second"),
            Measure("bare aiokafka loop, after", bare[1], "per second"),
            _ratio("ratio to the faster bare loop", ratio, EXPECTED_RATIO if kind is PLAIN else EXPECTED_RATIO_OF_RICH),
            Measure("CPU time of the scorer", run.cpu_seconds / messages * 1e6, "µs per answer"),
            Measure("resident memory after a third", run.memory_third / 2**20, "MiB"),
            Measure("resident memory at the end", run.memory_end / 2**20, "MiB"),
            Measure(
                "memory growth", growth, "", expected=f"at most {MAX_MEMORY_GROWTH}", met=growth <= MAX_MEMORY_GROWTH
            ),
            Measure("size of an answer", size, "bytes"),
            Measure("segment values", kind.segments, ""),
        ),
        (f"all {len(answers.expected):,} counts by segment, campaign and day are correct for {messages:,} records",),
    )


def _ratio(name: str, ratio: float, expected: float) -> Measure:
    return Measure(name, ratio, "", expected=f"at least {expected}", met=ratio >= expected)


async def measure_after_many(on: Environment, progress: Progress, messages: int, stored: int) -> Result:
    """The scorer on two streams of answers, the second of which begins when ``stored`` more are in its tables.

    Raises WrongOutcome when a count differs from the expected one.
    """
    await ensure_topics(on.settings(), [ANSWERS])
    first, second = Answers(count=messages), Answers(count=messages, seed=2)
    await publish(on, ANSWERS, first, messages, progress)
    empty = await _run_scorer(on, messages, progress)
    progress(f"storing {stored:,} answers", 0)
    await _store(on, stored, before=(first.end - timedelta(days=DAYS + 11)).date())
    await publish(on, ANSWERS, second, messages, progress)
    full = await _run_scorer(on, 2 * messages, progress)
    await _compare(on, first.expected + second.expected, surveys=0)
    ratio = full.rate / empty.rate
    return Result(
        "scorer-stored",
        (
            Measure("answers per second, none stored before", empty.rate, "per second"),
            Measure(f"the same, with {stored:,} stored before", full.rate, "per second"),
            _ratio("ratio", ratio, EXPECTED_RATIO_OF_STORED),
            Measure("CPU time of the scorer, none stored", empty.cpu_seconds / messages * 1e6, "µs per answer"),
            Measure("the same, with many stored", full.cpu_seconds / messages * 1e6, "µs per answer"),
        ),
        (f"all {len(first.expected + second.expected):,} counts by segment and day are correct",),
    )


async def _bare_loop(on: Environment, messages: int, progress: Progress) -> float:
    counts: Counter[tuple[str, str, str, str]] = Counter()

    def count(records: "Sequence[ConsumerRecord[bytes, bytes]]") -> None:
        for record in records:
            answer = orjson.loads(record.value)
            day, group, campaign = answer["answered_at"][:10], group_of(answer["score"]), answer.get("campaign", "")
            for dimension, value in answer["segments"].items():
                for one in (value,) if isinstance(value, str) else value:
                    counts[dimension + ":" + one, campaign, day, group] += 1

    return await bare_loop(on, ANSWERS, messages, count, progress)


_FILL = """
    ALTER TABLE scorer.answers DROP CONSTRAINT answers_pkey;
    INSERT INTO scorer.campaigns (name) VALUES ('stored');
    INSERT INTO scorer.segments (dimension, value) SELECT 'stored', number::text FROM generate_series(0, 199) AS number;
    INSERT INTO scorer.answers (key, revision, campaign_id, day, score, segment_ids)
    SELECT gen_random_uuid(), 1, campaigns.id, DATE '{before}' - CAST(({stored} - number) * 700 / {stored} AS integer),
           number % 11, ARRAY[0, first.id + CAST(number % 200 AS integer)]
    FROM generate_series(1, {stored}::bigint) AS number,
         (SELECT id FROM scorer.campaigns WHERE name = 'stored') AS campaigns,
         (SELECT min(id) AS id FROM scorer.segments WHERE dimension = 'stored') AS first;
    ALTER TABLE scorer.answers ADD CONSTRAINT answers_pkey PRIMARY KEY (key) WITH (fillfactor = 70);
    ALTER INDEX scorer.answers_pkey RESET (fillfactor);
    INSERT INTO scorer.day_counts (segment_id, campaign_id, day, promoters, passives, detractors, delivered, changed)
    SELECT segment_id, campaign_id, day, count(*) FILTER (WHERE score > 8), count(*) FILTER (WHERE score IN (7, 8)),
           count(*) FILTER (WHERE score < 7), 0, false
    FROM scorer.answers, unnest(segment_ids) AS segment_id
    WHERE campaign_id = (SELECT id FROM scorer.campaigns WHERE name = 'stored')
    GROUP BY segment_id, campaign_id, day;
    ANALYZE scorer.answers;
    ANALYZE scorer.day_counts
"""


async def _store(on: Environment, stored: int, *, before: date) -> None:
    """Answers of a campaign of their own, under random keys, in an index as full as random insertion leaves it."""
    database = await asyncpg.connect(on.database.owner_url)
    try:
        await database.execute(_FILL.format(stored=stored, before=before.isoformat()))
        # What is changed first after a checkpoint is written twice: both streams begin with one.
        await database.execute("CHECKPOINT")
    finally:
        await database.close()


@dataclass(kw_only=True)
class _Run:
    rate: float
    memory_third: float
    memory_end: float
    cpu_seconds: float
    folding: Sequence[Measure] = ()


@dataclass
class _Samples:
    """Samples taken while the scorer works: time in seconds, records committed, resident bytes."""

    taken: list[tuple[float, int, int]] = field(default_factory=list)

    def memory_at(self, records: float) -> float:
        return next(memory for _, committed, memory in self.taken if committed >= records)


async def _run_scorer(
    on: Environment, messages: int, progress: Progress, *, until_published: bool = False, until_folded: bool = False
) -> _Run:
    """The rate is that until the last commit, or until all changes of day counts are folded."""
    progress("starting the scorer", 0)
    async with on.stack("scorer") as stack:
        process = psutil.Process(stack.running["scorer"].pid)
        database = await asyncpg.connect(on.database.owner_url)
        try:
            samples = _Samples()
            async with asyncio.timeout(_START_SECONDS + messages / _SLOWEST):
                while not samples.taken or samples.taken[-1][1] < messages:
                    taken = await committed(database, "scorer", ANSWERS)
                    samples.taken.append((time.perf_counter(), taken, process.memory_info().rss))
                    progress("scorer", taken / messages)
                    await asyncio.sleep(0.03)
            waited, folding = 0.0, tuple[Measure, ...]()
            if until_folded:
                waited, folding = await _until_folded(database, progress)
            times = process.cpu_times()
            if until_published:
                await _until_published(database)
        finally:
            await database.close()
    began, before, _ = next(sample for sample in samples.taken if sample[1] > samples.taken[0][1])
    ended, after, _ = samples.taken[-1]
    return _Run(
        rate=(after - before) / (ended + waited - began),
        memory_third=samples.memory_at(messages / 3),
        memory_end=samples.taken[-1][2],
        cpu_seconds=times.user + times.system,
        folding=folding,
    )


async def _until_folded(
    database: "asyncpg.Connection[asyncpg.Record]", progress: Progress
) -> tuple[float, tuple[Measure, ...]]:
    """How many seconds it took, and what there was to do."""
    progress("folding", 1)
    began = time.perf_counter()
    left = await database.fetchval("SELECT count(*) FROM scorer.day_changes")
    async with asyncio.timeout(_FOLD_SECONDS):
        while await database.fetchval("SELECT EXISTS (SELECT FROM scorer.day_changes)"):
            await asyncio.sleep(0.05)  # polls, because another process's table has no event to wait for
    seconds = time.perf_counter() - began
    return seconds, (
        Measure("changes not folded at the last commit", left, ""),
        Measure("seconds until they were", seconds, "s"),
    )


async def _until_published(database: "asyncpg.Connection[asyncpg.Record]") -> None:
    due = """
        SELECT EXISTS (SELECT FROM scorer.day_changes) OR EXISTS (SELECT FROM scorer.outbox)
            OR EXISTS (SELECT FROM scorer.window_sums WHERE waiting_since IS NOT NULL)
    """
    async with asyncio.timeout(60):
        while await database.fetchval(due):  # polls, because another process's table has no event to wait for
            await asyncio.sleep(0.05)


async def stored_counts(on: Environment) -> Counter[CountKey]:
    """The counts of everything but the campaign ``stored``, from the scorer's tables."""
    database = await asyncpg.connect(on.database.owner_url)
    try:
        rows = await database.fetch(
            """
            SELECT dimension, value, name, day, promoters, passives, detractors
            FROM (
                SELECT segment_id, campaign_id, day, promoters, passives, detractors FROM scorer.day_counts
                UNION ALL
                SELECT segment_id, campaign_id, day, promoters, passives, detractors FROM scorer.day_changes
            ) AS counted
            JOIN scorer.segments ON segments.id = segment_id
            JOIN scorer.campaigns ON campaigns.id = campaign_id
            WHERE name <> 'stored'
            """
        )
    finally:
        await database.close()
    stored: Counter[CountKey] = Counter()
    for row in rows:
        segment = f"{row['dimension']}:{row['value']}" if row["dimension"] else row["value"]
        for group in ("promoter", "passive", "detractor"):
            stored[segment, row["name"], row["day"].isoformat(), group] += row[f"{group}s"]
    return stored


async def _compare(on: Environment, expected: Counter[CountKey], *, surveys: int) -> None:
    database = await asyncpg.connect(on.database.owner_url)
    try:
        answered = await database.fetchval("SELECT count(*) FROM scorer.surveys WHERE answered")
    finally:
        await database.close()
    if answered != surveys:
        raise WrongOutcome(f"{answered:,} surveys are known to be answered, {surveys:,} were")
    stored = await stored_counts(on)
    wrong = [key for key in expected.keys() | stored.keys() if expected[key] != stored[key]]
    if wrong:
        key = min(wrong)
        raise WrongOutcome(
            f"{len(wrong)} counts are wrong, such as {key}: {stored[key]} stored, {expected[key]} expected"
        )
