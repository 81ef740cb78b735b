"""Answers per second at the collector by itself, compared with the least that stores one: FastAPI and one INSERT.

Both take the same requests from the same load generator, in the same run, one after the other: one at a time, 16 and 64
at once. The collector also publishes what it acknowledges, while it takes more. Its landing page is compared with the
same bare application, which knows no links.
"""

import asyncio
import math
import sys
import tempfile
from asyncio.subprocess import create_subprocess_exec
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil

from benchmarks.bare_answers import TABLE
from benchmarks.environment import Environment
from benchmarks.http_load import Load, load, request, write_requests
from benchmarks.posted_answers import posted_answers, requests
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress, bare_consumer, partitions
from deploy.local.ports import free_port
from deploy.local.programs import PROJECT
from deploy.local.stack import Stack
from shared.contracts.topics import ANSWERS
from shared.links import Links
from shared.messaging.topics import ensure_topics

AT_ONCE = {1: 0.2, 16: 1.0, 64: 1.0}
"""How many requests are in progress at once, and what share of the answers is posted so."""
EXPECTED = {1: 0.45, 16: 0.9, 64: 1.1}
EXPECTED_OF_FORMS = 0.6
_FORMS_AT_ONCE = 16
_WARM_UP = 500
_SECRET = "a secret that only this benchmark signs its links with"
_HOST = "127.0.0.1"
_DRAIN_SECONDS = 30.0

Post = Callable[[int, Iterable[bytes]], Awaitable[Load]]
"""Posts requests, so many at once."""


async def measure(on: Environment, progress: Progress, answers: int = 8_000) -> Result:
    """Raises WrongOutcome unless each acknowledged answer was stored and published once."""
    await ensure_topics(on.settings(), [ANSWERS])
    database = await asyncpg.connect(on.database.owner_url)
    try:
        await database.execute(TABLE)
        progress("starting the collector", 0)
        async with on.stack("collector", HEARBACK_SECRET=_SECRET) as stack, _bare_application(on) as bare_port:
            run = _Run(on, stack, database, bare_port, progress, answers)
            await run.warm_up()
            for at_once, share in AT_ONCE.items():
                await run.compare(at_once, int(answers * share))
            forms = await run.forms(answers)
            await run.check()
    finally:
        await database.close()
    return _result(run, forms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """The faster of two bare runs, and ours between them; ``cpu`` is the collector's, in seconds per answer."""

    bare: Load
    ours: Load
    cpu: float

    @property
    def ratio(self) -> float:
        return self.ours.rate / self.bare.rate


@dataclass
class _Run:
    on: Environment
    stack: Stack
    database: "asyncpg.Connection[asyncpg.Record]"
    bare_port: int
    progress: Progress
    answers: int
    compared: dict[int, _Compared] = field(default_factory=dict)
    posted: int = 0
    _seed: int = 0

    async def warm_up(self) -> None:
        for at_once in (1, _FORMS_AT_ONCE):
            self._seed += 1
            batch = list(requests(posted_answers(_WARM_UP, seed=self._seed), self.stack.api_key))
            await self._post_bare(at_once, batch)
            await self._post(at_once, batch, status=202)

    async def compare(self, at_once: int, count: int) -> None:
        """The bare application takes other answers each time, and as many."""
        before, ours, after = (self._requests(count) for _ in range(3))
        self.progress(f"{at_once} at once", len(self.compared) / 4)
        bare = [await self._post_bare(at_once, before)]
        used = self._cpu()
        load = await self._post(at_once, ours, status=202)
        cpu = (self._cpu() - used) / count
        bare.append(await self._post_bare(at_once, after))
        self.compared[at_once] = _Compared(bare=max(bare, key=lambda each: each.rate), ours=load, cpu=cpu)

    async def forms(self, count: int) -> _Compared:
        """The first step of surveys' pages: the score, posted as a form."""
        self.progress("forms", 0.8)
        links = Links(secrets=[_SECRET], collector_url="")
        send_ids = [f"bench-{number}" for number in range(count)]
        await self._store_sends(send_ids)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        paths = [f"/s/{links.token('answer', send_id)}" for send_id in send_ids]
        bare = [await self._post_bare(_FORMS_AT_ONCE, self._requests(count))]
        used = self._cpu()
        posts = [request("POST", path, headers, b"score=9") for path in paths]
        load = await self._post(_FORMS_AT_ONCE, posts, status=303)
        cpu = (self._cpu() - used) / count
        bare.append(await self._post_bare(_FORMS_AT_ONCE, self._requests(count)))
        return _Compared(bare=max(bare, key=lambda each: each.rate), ours=load, cpu=cpu)

    async def check(self) -> None:
        """Raises WrongOutcome unless every acknowledged answer is stored and published once."""
        stored = await self.database.fetchval("SELECT count(*) FROM collector.answers WHERE revision = 1")
        published = await _published(self.on)
        if not self.posted == stored == published.total() == len(published):
            raise WrongOutcome(
                f"{self.posted} answers acknowledged, {stored} stored, {len(published)} published by "
                f"{published.total()} records"
            )

    def _requests(self, count: int) -> list[bytes]:
        self._seed += 1
        return list(requests(posted_answers(count, seed=self._seed), self.stack.api_key))

    async def _post(self, at_once: int, batch: Sequence[bytes], *, status: int) -> Load:
        """To the collector; returns when it has published them, too."""
        url = urlsplit(self.stack.url("collector"))
        assert url.port is not None
        loaded = await _post(url.port, at_once, batch)
        if loaded.statuses != {status: len(batch)}:
            raise WrongOutcome(f"the collector replied {dict(loaded.statuses)} to {len(batch)} requests")
        self.posted += len(batch)
        async with asyncio.timeout(_DRAIN_SECONDS):
            while await self.database.fetchval("SELECT EXISTS (SELECT FROM collector.outbox)"):
                await asyncio.sleep(0.05)
        return loaded

    async def _post_bare(self, at_once: int, batch: Sequence[bytes]) -> Load:
        loaded = await _post(self.bare_port, at_once, batch)
        if loaded.statuses != {202: len(batch)}:
            raise WrongOutcome(f"the bare application replied {dict(loaded.statuses)} to {len(batch)} requests")
        return loaded

    def _cpu(self) -> float:
        times = psutil.Process(self.stack.running["collector"].pid).cpu_times()
        return float(times.user + times.system)

    async def _store_sends(self, send_ids: Sequence[str]) -> None:
        now = datetime.now(UTC)
        await self.database.execute(
            """
            INSERT INTO collector.sends (send_id, campaign, campaign_version, channel, locale, customer_id, address,
                order_id, segments, sent_at, expires_at)
            SELECT send_id, 'service-nps', 1, 'email', 'en', 'c-' || send_id, send_id || '@example.com',
                'o-' || send_id, '{"country": "BR", "category": ["toys", "books"]}', $2, $3
            FROM unnest($1::text[]) AS send_id
            """,
            send_ids,
            now,
            now + timedelta(days=30),
        )
        await self.database.execute("ANALYZE collector.sends")


async def _published(on: Environment) -> "Counter[bytes]":
    """How many records the topic of answers has of each. Its offsets would not tell: some are of control records."""
    found: Counter[bytes] = Counter()
    consumer = bare_consumer(on)
    await consumer.start()
    try:
        every = partitions(on, ANSWERS)
        consumer.assign(every)
        ends = await consumer.end_offsets(every)
        async with asyncio.timeout(_DRAIN_SECONDS):
            while any([await consumer.position(each) < ends[each] for each in every]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found.update(record.key for record in records)
    finally:
        await consumer.stop()
    return found


async def _post(port: int, at_once: int, batch: Iterable[bytes]) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requests"
        write_requests(file, batch)
        return await load(_HOST, port, at_once, file)


@asynccontextmanager
async def _bare_application(on: Environment) -> AsyncIterator[int]:
    """Its port, once it listens."""
    port = free_port()
    process = await create_subprocess_exec(
        sys.executable, "-m", "benchmarks.bare_answers", on.database.owner_url, str(port), cwd=PROJECT
    )
    try:
        async with asyncio.timeout(20):
            while True:
                if process.returncode is not None:
                    raise WrongOutcome("the bare application did not start")
                try:
                    _, writer = await asyncio.open_connection(_HOST, port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                break
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of them do not exceed."""
    return ordered[math.ceil(len(ordered) * share) - 1]


def _result(run: _Run, forms: _Compared) -> Result:
    measures: list[Measure] = []
    for at_once, compared in run.compared.items():
        measures += _measures(f"{at_once} at once", compared, EXPECTED[at_once])
    measures += _measures(f"forms, {_FORMS_AT_ONCE} at once", forms, EXPECTED_OF_FORMS)
    return Result(
        "collector",
        tuple(measures),
        (f"each of {run.posted:,} acknowledged answers was stored once and published once",),
    )


def _measures(name: str, compared: _Compared, expected: float) -> list[Measure]:
    return [
        Measure(f"{name}: answers acknowledged", compared.ours.rate, "per second"),
        Measure(f"{name}: bare", compared.bare.rate, "per second"),
        Measure(f"{name}: ratio", compared.ratio, "", expected=f"at least {expected}", met=compared.ratio >= expected),
        Measure(f"{name}: p99", quantile(compared.ours.latencies, 0.99) * 1e3, "ms"),
        Measure(f"{name}: p99, bare", quantile(compared.bare.latencies, 0.99) * 1e3, "ms"),
        Measure(f"{name}: CPU time of the collector, publication included", compared.cpu * 1e6, "µs per answer"),
    ]
