"""Answers per second while the whole product runs: acknowledged, published, counted, and their cases opened.

64 clients post as fast as they are answered. One second after the last acknowledgement everything must have been
counted and every case must be there; the routing that comes with the product opens one for each answer. There is no
bare side: the machine is shared by the five processes, Kafka, PostgreSQL and the load generator, and where its time
goes is reported.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil

from benchmarks.collector import quantile
from benchmarks.environment import Environment
from benchmarks.http_load import load, write_requests
from benchmarks.posted_answers import posted_answers, requests
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress
from deploy.local.stack import Stack

AT_ONCE = 64
EXPECTED_RATE = 2_500
EXPECTED_P99_MILLISECONDS = 60
EXPECTED_SECONDS_AFTER = 1.0
_GIVE_UP_SECONDS = 60.0
_WARM_UP = 2_000
_HOST = "127.0.0.1"


async def measure(on: Environment, progress: Progress, answers: int = 30_000) -> Result:
    """Raises WrongOutcome unless each answer is stored and counted once, and has one case in its queue."""
    progress("starting the product", 0)
    async with on.stack() as stack:
        database = await asyncpg.connect(on.database.owner_url)
        headers = {"Authorization": f"Bearer {stack.api_key}"}
        try:
            async with httpx.AsyncClient(headers=headers, timeout=20) as client:
                return await _measure(stack, database, client, progress, answers)
        finally:
            await database.close()


async def _measure(
    stack: Stack,
    database: "asyncpg.Connection[asyncpg.Record]",
    client: httpx.AsyncClient,
    progress: Progress,
    answers: int,
) -> Result:
    url = urlsplit(stack.url("collector"))
    assert url.port is not None

    async def cases() -> int:
        return int(await database.fetchval("SELECT count(*) FROM alerter.cases"))

    async def detractors() -> int:
        return int(await database.fetchval("SELECT count(*) FROM alerter.cases WHERE queue = 'detractors'"))

    async def counted() -> int:
        response = await client.get(f"{stack.url('scorer')}/v1/nps", params={"window": "7d"})
        return int(response.raise_for_status().json()["n"])

    expected_detractors = total = 0
    for step, count in (("warm-up", _WARM_UP), ("posting", answers)):
        progress(step, 0.1)
        batch = posted_answers(count, seed=count)
        expected_detractors += sum(answer.is_detractor for answer in batch)
        total += count
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "requests"
            write_requests(file, requests(batch, stack.api_key))
            used = _cpu_seconds(stack)
            loaded = await load(_HOST, url.port, AT_ONCE, file)
        ended = time.perf_counter()
        if loaded.statuses != {202: count}:
            raise WrongOutcome(f"the collector replied {dict(loaded.statuses)} to {count} requests")
        progress("waiting for scores and cases", 0.9)
        cases_after, counted_after = await asyncio.gather(
            _until(cases, total, "cases", ended), _until(counted, total, "answers counted", ended)
        )
        spent = {name: seconds - used.get(name, 0.0) for name, seconds in _cpu_seconds(stack).items()}
    await asyncio.sleep(1)
    stored = int(await database.fetchval("SELECT count(*) FROM collector.answers WHERE revision = 1"))
    if (stored, await cases(), await counted()) != (total, total, total):
        raise WrongOutcome(f"{stored} answers stored, {await cases()} cases, {await counted()} counted of {total}")
    if (found := await detractors()) != expected_detractors:
        raise WrongOutcome(f"{found} cases of detractors instead of {expected_detractors}")
    p99 = quantile(loaded.latencies, 0.99) * 1e3
    after = max(cases_after, counted_after)
    return Result(
        "ingestion",
        (
            Measure(
                "answers acknowledged", loaded.rate, "per second",
                expected=f"at least {EXPECTED_RATE:,}", met=loaded.rate >= EXPECTED_RATE,
            ),
            Measure("request to acknowledgement, p50", quantile(loaded.latencies, 0.5) * 1e3, "ms"),
            Measure(
                "request to acknowledgement, p99", p99, "ms",
                expected=f"at most {EXPECTED_P99_MILLISECONDS} ms", met=p99 <= EXPECTED_P99_MILLISECONDS,
            ),
            Measure("last acknowledgement to everything counted", counted_after, "s"),
            Measure("last acknowledgement to the last case", cases_after, "s"),
            Measure(
                "the later of both", after, "s",
                expected=f"at most {EXPECTED_SECONDS_AFTER} s", met=after <= EXPECTED_SECONDS_AFTER,
            ),
            *(
                Measure(f"CPU time of {name}", seconds / answers * 1e6, "µs per answer")
                for name, seconds in spent.items()
            ),
        ),
        (
            f"each of {total:,} answers was stored and counted once, and has one case",
            f"{expected_detractors:,} of the cases are in the queue of detractors",
        ),
    )  # fmt: skip


async def _until(count: Callable[[], Awaitable[int]], expected: int, what: str, since: float) -> float:
    """Seconds after ``since`` when there are as many as expected."""
    found = -1
    while time.perf_counter() < since + _GIVE_UP_SECONDS:
        found = await count()
        if found == expected:
            return time.perf_counter() - since
        if found > expected:
            break
        await asyncio.sleep(0.05)
    raise WrongOutcome(f"{found} {what} instead of {expected}")


def _cpu_seconds(stack: Stack) -> dict[str, float]:
    """Of each process of the product."""
    found: dict[str, float] = {}
    for name, record in stack.running.items():
        times = psutil.Process(record.pid).cpu_times()
        found[name] = float(times.user + times.system)
    return found
