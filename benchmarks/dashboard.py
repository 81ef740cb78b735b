"""What the dashboard costs at 10,000 segment values: bytes on the wire, the scorer's processor time, and what twenty
people who open it at once do to the counting of answers.

A year of day counts is stored by SQL, as the scorer would leave it, and the scorer sums them up. Pages are fetched as
browsers fetch them: signed in, compressed, and static files only if their address is new. The scorer runs alone, with
everything on.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg
import httpx
import psutil
from aiokafka import AIOKafkaProducer

from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress
from deploy.local.stack import Stack
from shared.contracts.answers import Answer, event
from shared.contracts.cloudevents import write
from shared.contracts.topics import ANSWERS

VALUES = 10_000
DAILY_VALUES = 1_000
"""These have answers every day; the others on every sixth."""
DAYS = 365
REPEATS = 20
PEOPLE = 20
STORM_SECONDS = 6.0
ANSWERS_A_SECOND = 100
BURST = 2_000
MAX_KILOBYTES = 60.0
MAX_MILLISECONDS = 20.0
MAX_STALL_RATIO = 3.0
MAX_UPDATE_KILOBYTES = 6.0
"""The whole page is more."""

_SETTLED_SHARE = 0.15
"""Of a core: less, and the scorer has nothing left to do but what it does when idle."""
_SETTLE_SECONDS = 90.0
_ASSETS = re.compile(r'(?:href|src)="(/(?:static|assets)/[^"]+)"')
_BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd", "Sec-Fetch-Site": "same-origin"}

_FILL = (
    "INSERT INTO scorer.campaigns (id, name) VALUES (1, 'service-nps')",
    f"""
    INSERT INTO scorer.segments (id, dimension, value)
    SELECT id, 'city', 'city ' || lpad(id::text, 5, '0') FROM generate_series(1, {VALUES}) AS id
    """,
    f"""
    INSERT INTO scorer.day_counts
        (segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered, changed)
    SELECT id, 1, current_date - age, 1 + (id * 7 + age) % 5, (id + age) % 3, (id * 3 + age * 5) % (2 + id % 4), 9, 3,
           false
    FROM generate_series(1, {VALUES}) AS id, generate_series(0, {DAYS - 1}) AS age
    WHERE id <= {DAILY_VALUES} OR (id + age) % 6 = 0
    """,
    """
    INSERT INTO scorer.day_counts
        (segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered, changed)
    SELECT 0, 1, day, sum(promoters), sum(passives), sum(detractors), sum(delivered), sum(answered), false
    FROM scorer.day_counts GROUP BY day
    """,
    """
    INSERT INTO scorer.comments (key, answer_id, answered_at, day, campaign_id, score, segment_ids, comment)
    SELECT gen_random_uuid(), 'filled-' || age, given, given::date, 1, age % 11, ARRAY[0, 1 + age],
           'It came ' || age || ' hours late, and the lid was cracked. ' || md5(age::text)
    FROM generate_series(0, 400) AS age, LATERAL (SELECT now() - age * interval '1 hour' AS given) AS moment
    """,
    "SELECT setval(pg_get_serial_sequence('scorer.campaigns', 'id'), 10)",
    f"SELECT setval(pg_get_serial_sequence('scorer.segments', 'id'), {VALUES + 10})",
    "UPDATE scorer.publisher SET walked_to = -1, walk_again = false, building = true",
    "VACUUM ANALYZE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one page: bytes on the wire with all headers, and the scorer's processor time in milliseconds."""

    bytes: float
    milliseconds: float


@dataclass
class Browser:
    """``received`` are bytes on the wire; static files that may be kept are fetched once."""

    client: httpx.AsyncClient
    process: psutil.Process
    received: int = 0
    kept: set[str] = field(default_factory=set)

    async def get(self, address: str) -> httpx.Response:
        response = await self.client.get(address, headers=_BROWSER)
        if response.status_code != 200:
            raise WrongOutcome(f"{address} was answered with {response.status_code}")
        self.received += wire_bytes(response)
        if "immutable" in response.headers.get("cache-control", ""):
            self.kept.add(address)
        return response

    async def page(self, address: str) -> str:
        """The page, with all it loads."""
        text = (await self.get(address)).text
        for asset in dict.fromkeys(_ASSETS.findall(text)):
            if asset not in self.kept:
                await self.get(asset)
        return text


async def measure(on: Environment, progress: Progress, *, repeats: int = REPEATS) -> Result:
    """Raises WrongOutcome when a page does not show the score, or an answer is not counted."""
    async with on.stack("scorer", HEARBACK_PUBLISH_SECONDS="0.25") as stack:
        progress("filling a year", 0)
        await _fill(on)
        process = psutil.Process(stack.running["scorer"].pid)
        await _settled(on, process)
        async with _signed_in(stack) as client:
            browser = Browser(client, process)
            idle = await _idle(process)
            await browser.page("/?by=city")

            async def first() -> None:
                browser.kept.clear()
                text = await browser.page("/?by=city")
                if "points, from" not in text or text.count("city 0") < 10:
                    raise WrongOutcome("the page shows no score, or no values")

            progress("first pages", 0.2)
            page = await _cost(browser, first, repeats, idle)
            progress("refreshes", 0.4)
            reload = await _cost(browser, lambda: browser.page("/?by=city"), repeats, idle)
            tags = _tags((await browser.get("/?by=city")).text)
            renewed = await _cost(browser, lambda: _renew(browser, "/?by=city", tags), repeats, idle)
            progress("live updates", 0.6)
            one = await _live(on, browser, 1)
            many = await _live(on, browser, BURST)
            progress("twenty people at once", 0.8)
            calm = await _stall(on, None)
            storm = await _stall(on, browser)
    return Result(
        "dashboard",
        (
            Measure(
                "first page, with all it loads",
                page.bytes / 1_000,
                "kB",
                expected=f"at most {MAX_KILOBYTES:.0f} kB",
                met=page.bytes / 1_000 <= MAX_KILOBYTES,
            ),
            Measure(
                "the scorer's processor time for it",
                page.milliseconds,
                "ms",
                expected=f"at most {MAX_MILLISECONDS:.0f} ms",
                met=page.milliseconds <= MAX_MILLISECONDS,
            ),
            Measure("the page again", reload.bytes / 1_000, "kB"),
            Measure("the scorer's processor time for it", reload.milliseconds, "ms"),
            Measure("a refresh by itself, when nothing changed", renewed.bytes / 1_000, "kB"),
            Measure(
                "the scorer's processor time for it",
                renewed.milliseconds,
                "ms",
                expected=f"at most {MAX_MILLISECONDS:.0f} ms",
                met=renewed.milliseconds <= MAX_MILLISECONDS,
            ),
            _update("a live update after an answer in one value", one / 1_000),
            _update(f"a live update after {BURST:,} answers in as many values", many / 1_000),
            Measure("longest time without a batch, nobody there", calm * 1_000, "ms"),
            Measure(
                f"longest time without a batch, {PEOPLE} people loading pages",
                storm * 1_000,
                "ms",
                expected=f"at most {MAX_STALL_RATIO:.0f} times as long",
                met=storm <= MAX_STALL_RATIO * calm,
            ),
        ),
        (
            f"each page shows the score and values of {VALUES:,}",
            f"{ANSWERS_A_SECOND} answers a second were counted meanwhile",
        ),
    )


def _update(name: str, kilobytes: float) -> Measure:
    expected = f"at most {MAX_UPDATE_KILOBYTES:.0f} kB"
    return Measure(name, kilobytes, "kB", expected=expected, met=kilobytes <= MAX_UPDATE_KILOBYTES)


def wire_bytes(response: httpx.Response) -> int:
    """The body as it came, and the headers."""
    return response.num_bytes_downloaded + sum(len(name) + len(value) + 4 for name, value in response.headers.raw) + 19


async def _fill(on: Environment) -> None:
    database = await asyncpg.connect(on.database.owner_url)
    try:
        for statement in _FILL:
            await database.execute(statement)
    finally:
        await database.close()


async def _settled(on: Environment, process: psutil.Process) -> None:
    """Waits until the scorer has worked off what was stored beside it."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    database = await asyncpg.connect(on.database.owner_url)
    try:
        while (
            await database.fetchval("SELECT building FROM scorer.publisher")
            # As if all had been published, which would take minutes.
            or await database.execute(
                "UPDATE scorer.window_sums SET waiting_since = NULL WHERE waiting_since IS NOT NULL"
            )
            != "UPDATE 0"
            or await _idle(process, seconds=2.0) > _SETTLED_SHARE
        ):
            if time.monotonic() > deadline:
                raise WrongOutcome(f"the scorer was still busy {_SETTLE_SECONDS:.0f} s after the year was stored")
            await asyncio.sleep(0.5)
    finally:
        await database.close()


async def _idle(process: psutil.Process, seconds: float = 4.0) -> float:
    """Processor seconds a second, when nobody is there."""
    before = _cpu_seconds(process)
    await asyncio.sleep(seconds)
    return (_cpu_seconds(process) - before) / seconds


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def _signed_in(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.url("scorer"), timeout=30) as client:
        signed = await client.post("/sign-in", data={"key": stack.api_key}, headers=_BROWSER)
        if signed.status_code != 303 or "failed" in signed.headers["location"]:
            raise WrongOutcome(f"nobody can sign in: {signed.status_code}")
        yield client


async def _cost(browser: Browser, once: Callable[[], Awaitable[Any]], repeats: int, idle: float) -> Cost:
    began, cpu, received = time.monotonic(), _cpu_seconds(browser.process), browser.received
    for _ in range(repeats):
        await once()
    spent = _cpu_seconds(browser.process) - cpu - idle * (time.monotonic() - began)
    return Cost(bytes=(browser.received - received) / repeats, milliseconds=max(0.0, spent) / repeats * 1_000)


def _tags(page: str) -> list[str]:
    """Of the parts that may change."""
    return re.findall(r' data-live="(\w+)"', page)


async def _renew(browser: Browser, address: str, tags: list[str]) -> dict[str, Any]:
    """What the page's script does: asks for the parts that changed, by the tags of those it has."""
    query = urlencode([("have", tag) for tag in tags])
    response = await browser.get(f"/parts{address.removeprefix('/')}&{query}")
    found: dict[str, Any] = response.json()
    return found


async def _live(on: Environment, browser: Browser, answers: int) -> float:
    """Bytes until an open page shows that answers came, each in a value of its own: of the stream, and of the parts."""
    address = "/?by=city"
    text = (await browser.client.get(address, headers=_BROWSER)).text
    found = re.search(r'data-stream="([^"]+)"', text)
    assert found is not None
    streamed, fetched = 0, browser.received
    async with browser.client.stream("GET", found[1].replace("&amp;", "&"), headers=_BROWSER) as stream:
        events = stream.aiter_bytes()
        streamed += len(await anext(events))
        await _publish(on, range(1, answers + 1))
        async with asyncio.timeout(30):
            async for text_of_event in events:
                streamed += len(text_of_event)
                if b"score.updated" in text_of_event:
                    break
        parts = await _renew(browser, address, _tags(text))
    if "score" not in parts["texts"]:
        raise WrongOutcome("an update was told that changes no score")
    return streamed + browser.received - fetched


async def _publish(on: Environment, values: range) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=on.kafka_bootstrap_servers, enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            headers, body = write(event(_answer(value)), "/hearback/benchmark")
            await producer.send(on.topic(ANSWERS.name), body, key=str(value).encode(), headers=headers)
        await producer.flush()
    finally:
        await producer.stop()


def _answer(value: int) -> Answer:
    now = datetime.now(UTC)
    return Answer(
        answer_id=str(uuid4()),
        revision=1,
        score=value % 11,
        answered_at=now,
        received_at=now,
        campaign="service-nps",
        segments={"city": f"city {1 + value % VALUES:05}"},
    )


async def _stall(on: Environment, browser: Browser | None) -> float:
    """The longest time in seconds in which no answer was counted, while they come steadily; with people, or none."""
    stop = asyncio.Event()
    people = [asyncio.create_task(_keep_loading(browser, number, stop)) for number in range(PEOPLE)] if browser else []
    writing = asyncio.create_task(_keep_answering(on, stop))
    watching = asyncio.create_task(_longest_gap(on, stop))
    await asyncio.sleep(STORM_SECONDS)
    stop.set()
    await asyncio.gather(writing, *people)
    return await watching


async def _keep_loading(browser: Browser, number: int, stop: asyncio.Event) -> None:
    window = ("7d", "30d", "90d", "365d", "all")[number % 5]
    own = Browser(browser.client, browser.process)
    while not stop.is_set():
        await own.page(f"/?by=city&window={window}&page={1 + number // 5}")


async def _keep_answering(on: Environment, stop: asyncio.Event) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=on.kafka_bootstrap_servers)
    await producer.start()
    try:
        number = 0
        while not stop.is_set():
            headers, body = write(event(_answer(number)), "/hearback/benchmark")
            await producer.send(on.topic(ANSWERS.name), body, key=str(number).encode(), headers=headers)
            number += 1
            await asyncio.sleep(1 / ANSWERS_A_SECOND)
    finally:
        await producer.stop()


async def _longest_gap(on: Environment, stop: asyncio.Event) -> float:
    database = await asyncpg.connect(on.database.owner_url)
    position = "SELECT sum(next_offset) FROM scorer.consumer_positions"
    longest, last, at = 0.0, await database.fetchval(position), None
    try:
        while not stop.is_set():
            now, found = time.perf_counter(), await database.fetchval(position)
            if found != last:
                longest = max(longest, now - at) if at is not None else longest
                last, at = found, now
            await asyncio.sleep(0.005)
    finally:
        await database.close()
    if at is None:
        raise WrongOutcome("no answer was counted")
    return max(longest, time.perf_counter() - at)
