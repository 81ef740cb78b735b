"""How old published scores are, with ten thousand segments and a steady stream of answers, over a midnight.

Answers are put on the topic at fixed times, each in random segments. The age of a score is the time from putting an
answer on its topic to the first record that counts it: everybody's, of all campaigns together, and the oldest of any
segment. In the middle the clock is stepped over a midnight, when counts leave and enter the windows of every segment.
At the end every score published last is compared with what the answers add up to.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import asyncpg
import orjson
import psutil
from aiokafka import AIOKafkaProducer

from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress, bare_consumer, partitions
from shared.clock import SteppedClock
from shared.contracts.answers import RECORDED
from shared.contracts.scores import ANY_CAMPAIGN, EVERYBODY, WINDOW_DAYS
from shared.contracts.topics import ANSWERS, SCORES
from shared.messaging.topics import ensure_topics
from shared.nps import group_of

MOST_EVERYBODY_SECONDS = 2.0
MOST_SECONDS = 30.0

CAMPAIGNS = ("service-nps", "product-nps")
FILLED = 6_000
"""Answers of the last hundred days, which are published before anything is measured."""
_SHARES = {"sku": 0.9, "city": 0.09, "tier": 0.01}
"""Each answer counts in one value of each; together these are the segments."""
_LAST_DAY = date(2026, 3, 1)
_BEFORE_MIDNIGHT = datetime(2026, 3, 1, 23, 50, tzinfo=UTC)
_AFTER_MIDNIGHT = datetime(2026, 3, 2, 0, 0, 5, tzinfo=UTC)
_SCORES = (0, 3, 5, 6, 7, 8, 8, 9, 9, 10, 10, 10)

Place = tuple[str, str]
"""Campaign, or all of them, and segment."""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer."""

    day: date
    score: int
    places: tuple[Place, ...]


@dataclass
class Ages:
    """Seconds from an answer to the record that counts it, by what was published; the longest, at any moment."""

    everybody: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)


class Published:
    """Reads ``nps.scores``: the last record of each key, and which answers were counted when."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str, str], dict[str, object]] = {}
        self.records = 0
        self.at = 0.0
        self.ages = Ages()
        self.wrong: list[str] = []
        self._waiting: defaultdict[Place, deque[float]] = defaultdict(deque)
        self._counted: Counter[Place] = Counter()

    def sent(self, places: Sequence[Place], at: float) -> None:
        for place in places:
            self._waiting[place].append(at)

    @property
    def waiting(self) -> int:
        """Places that have an answer no record counts yet."""
        return sum(1 for waiting in self._waiting.values() if waiting)

    def take(self, value: bytes, now: float) -> None:
        body = orjson.loads(value)
        self.records, self.at = self.records + 1, now
        key = body["campaign"], body["window"], body["segment"]
        if body["sequence"] != self.last.get(key, {"sequence": 0})["sequence"] + 1:  # type: ignore[operator]
            self.wrong.append(f"{key} was published as number {body['sequence']}")
        self.last[key] = body
        if body["window"] == "all":
            place = body["campaign"], body["segment"]
            waiting = self._waiting[place]
            for _ in range(body["n"] - self._counted[place]):
                age = now - waiting.popleft()
                (self.ages.everybody if place == (ANY_CAMPAIGN, EVERYBODY) else self.ages.others).append(age)
            self._counted[place] = body["n"]


async def measure(
    on: Environment, progress: Progress, *, segments: int = 10_000, rate: int = 100, seconds: float = 30.0
) -> Result:
    """Raises WrongOutcome when a score published last is not what the answers add up to."""
    await ensure_topics(on.settings(), [ANSWERS, SCORES])
    rng = random.Random(1)
    given: list[Given] = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "clock"
        clock = SteppedClock.create(file, _BEFORE_MIDNIGHT)
        progress("starting the scorer", 0)
        async with (
            on.stack("scorer", HEARBACK_CLOCK=f"file:{file}") as stack,
            _reading(on) as published,
            _sending(on) as send,
            _connected(on) as database,
        ):
            for number in range(FILLED):
                await send(_answer(rng, segments, _LAST_DAY - timedelta(days=rng.randrange(100))), given, published)
                if number % 500 == 0:
                    await asyncio.sleep(0)
            await _quiet(database, published, progress, "publishing what came before")
            published.ages = Ages()
            before, records_before = psutil.Process(stack.running["scorer"].pid).cpu_times(), published.records
            began = time.perf_counter()
            total, midnight_began, midnight_ended = int(rate * seconds), 0.0, 0.0
            for number in range(total):
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
                if number == total // 2:
                    clock.step_to(_AFTER_MIDNIGHT)
                    midnight_began = time.perf_counter()
                if midnight_began and not midnight_ended and number % 10 == 0 and await _day_has_begun(database):
                    midnight_ended = time.perf_counter()
                await send(_answer(rng, segments, clock.now().date()), given, published)
                if number % 50 == 0:
                    progress(f"{rate} answers per second", number / total)
            sent_in = time.perf_counter() - began
            after, records = psutil.Process(stack.running["scorer"].pid).cpu_times(), published.records
            await _quiet(database, published, progress, "publishing the rest")
            checked = _check(given, published, _AFTER_MIDNIGHT.date())
    if total / sent_in < 0.95 * rate:
        raise WrongOutcome(f"only {total / sent_in:.0f} answers per second were sent instead of {rate}")
    ages = published.ages
    everybody, oldest = max(ages.everybody), max(ages.others)
    cpu = after.user + after.system - before.user - before.system
    return Result(
        "publication",
        (
            Measure(
                "age of everybody's score, at most",
                everybody,
                "s",
                expected=f"at most {MOST_EVERYBODY_SECONDS:.0f} s",
                met=everybody <= MOST_EVERYBODY_SECONDS,
            ),
            Measure("the same, p50", _quantile(ages.everybody, 0.5), "s"),
            Measure(
                "age of the oldest score of any segment",
                oldest,
                "s",
                expected=f"at most {MOST_SECONDS:.0f} s",
                met=oldest <= MOST_SECONDS,
            ),
            Measure("the same, p50", _quantile(ages.others, 0.5), "s"),
            Measure("the same, p99", _quantile(ages.others, 0.99), "s"),
            Measure("from midnight until all sums are of the new day", midnight_ended - midnight_began, "s"),
            Measure("scores published", (records - records_before) / sent_in, "per second"),
            Measure("CPU time of the scorer", 100 * cpu / sent_in, "% of a core"),
            Measure("the same", cpu / max(1, records - records_before) * 1e6, "µs per score published"),
        ),
        (
            f"all {checked:,} scores published last are right, and each was numbered without a gap",
            f"{len(given):,} answers in 3 of {segments:,} segments each, the last {total:,} at {rate} per second",
        ),
    )


def _answer(rng: random.Random, segments: int, day: date) -> dict[str, object]:
    values = {name: f"{name}-{rng.randrange(max(1, int(segments * share)))}" for name, share in _SHARES.items()}
    at = f"{day.isoformat()}T12:00:00+00:00"
    return {
        "answer_id": str(uuid4()),
        "revision": 1,
        "score": rng.choice(_SCORES),
        "answered_at": at,
        "received_at": at,
        "campaign": rng.choice(CAMPAIGNS),
        "segments": values,
    }


@contextlib.asynccontextmanager
async def _sending(on: Environment) -> AsyncIterator["_Send"]:
    producer = AIOKafkaProducer(bootstrap_servers=on.kafka_bootstrap_servers)
    await producer.start()
    try:
        yield _Send(producer, on.topic(ANSWERS.name))
    finally:
        await producer.stop()


@dataclass
class _Send:
    """Puts an answer on the topic, and notes when and where it counts."""

    producer: AIOKafkaProducer
    topic: str

    async def __call__(self, body: dict[str, object], given: list[Given], published: Published) -> None:
        named = [EVERYBODY, *(f"{dimension}:{value}" for dimension, value in dict(body["segments"]).items())]  # type: ignore[call-overload]
        places = tuple((campaign, segment) for campaign in (ANY_CAMPAIGN, str(body["campaign"])) for segment in named)
        given.append(Given(date.fromisoformat(str(body["answered_at"])[:10]), int(str(body["score"])), places))
        published.sent(places, time.perf_counter())
        key = str(body["answer_id"])
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_source", b"/hearback/collector"),
            ("content-type", b"application/json"),
            ("ce_id", key.encode()),
            ("ce_type", RECORDED.encode()),
            ("ce_time", str(body["answered_at"]).encode()),
        ]
        await self.producer.send(self.topic, orjson.dumps(body), key=key.encode(), headers=headers)


@contextlib.asynccontextmanager
async def _reading(on: Environment) -> AsyncIterator[Published]:
    published = Published()
    consumer = bare_consumer(on)
    await consumer.start()

    async def read() -> None:
        while True:
            batch = await consumer.getmany(timeout_ms=200)
            now = time.perf_counter()
            for records in batch.values():
                for record in records:
                    published.take(record.value, now)

    consumer.assign(partitions(on, SCORES))
    reading = asyncio.create_task(read())
    try:
        yield published
        if reading.done():
            reading.result()
    finally:
        reading.cancel()
        await consumer.stop()


@contextlib.asynccontextmanager
async def _connected(on: Environment) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(on.database.owner_url)
    try:
        yield connection
    finally:
        await connection.close()


async def _quiet(
    database: "asyncpg.Connection[asyncpg.Record]", published: Published, progress: Progress, step: str
) -> None:
    """Until every answer is counted by a record of each place, and nothing is left to publish."""
    due = """
        SELECT EXISTS (SELECT FROM scorer.day_changes) OR EXISTS (SELECT FROM scorer.outbox)
            OR EXISTS (SELECT FROM scorer.window_sums WHERE waiting_since IS NOT NULL)
            OR EXISTS (SELECT FROM scorer.publisher WHERE walked_to IS NOT NULL)
    """
    try:
        async with asyncio.timeout(150):
            while published.waiting or await database.fetchval(due):  # polls: another process's tables have no event
                progress(f"{step}, {published.records:,} records", 1)
                await asyncio.sleep(0.1)
            seen = -1
            while seen != published.records:
                seen = published.records
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise WrongOutcome(f"{step}: {published.waiting:,} scores are still not published") from None


async def _day_has_begun(database: "asyncpg.Connection[asyncpg.Record]") -> bool:
    return bool(
        await database.fetchval(
            "SELECT last_day = $1 AND walked_to IS NULL FROM scorer.publisher", _AFTER_MIDNIGHT.date()
        )
    )


def _check(given: Sequence[Given], published: Published, last_day: date) -> int:
    """Compares the last record of each key with the answers; returns how many there are."""
    if published.wrong:
        raise WrongOutcome(f"{len(published.wrong)} records are out of order, such as: {published.wrong[0]}")
    expected: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for answer in given:
        age = (last_day - answer.day).days
        for window, length in WINDOW_DAYS.items():
            if length is None or age < length:
                for campaign, segment in answer.places:
                    expected[campaign, window, segment][group_of(answer.score)] += 1
    # A score that was published and has no answers any more is published as that.
    for key in expected.keys() | published.last.keys():
        counts, body = expected[key], published.last.get(key, {})
        right = counts["promoter"], counts["passive"], counts["detractor"]
        found = tuple(body.get(name) for name in ("promoters", "passives", "detractors"))
        if found != right or body.get("n") != sum(right):
            raise WrongOutcome(f"the last record of {key} counts {found}, not {right}")
    return len(expected)


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
