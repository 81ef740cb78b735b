"""Surveys from their timers to a mail server: decided and published by the dispatcher, delivered by the courier.

Orders are placed while the clock stands still; then it is stepped to when all their surveys are due at once. The bare
side sends the same messages with aiosmtplib over as many connections.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import aiosmtplib
import asyncpg
import orjson
import psutil
from aiokafka import AIOKafkaConsumer

from benchmarks.environment import Environment
from benchmarks.mail_server import HOST, Mail, MailServer, running
from benchmarks.record import Record
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress, bare_consumer, committed, partitions, publish
from deploy.local.stack import Stack
from shared.clock import SteppedClock
from shared.contracts import orders
from shared.contracts.topics import DELIVERIES, ORDERS, SENDS, Topic
from shared.messaging.topics import all_topics, ensure_topics

CONNECTIONS = 4
ROUND_TRIP_SECONDS = 0.02
WARM_UP = 200
"""Mails at each round trip that are not measured."""
BARE_MAILS = 300
BARE_MAILS_AT_ONCE = 3_000
DUE_AFTER = timedelta(hours=1)
"""When ``service-nps`` asks after an order was placed."""
LIMIT_SECONDS = 120
LEAST_DECIDED = 1_000


async def measure(on: Environment, progress: Progress, surveys: int = 10_000, mails_far_away: int = 1_500) -> Result:
    """``surveys`` customers with a survey due each; the first ``mails_far_away`` mails go to a server 20 ms away, the
    others to one that replies at once. Raises WrongOutcome unless each is sent, and delivered, exactly once."""
    await ensure_topics(on.settings(), all_topics())
    start = datetime.now(UTC).replace(microsecond=0)
    await publish(on, ORDERS, [_order(number, start) for number in range(surveys)], surveys, progress)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clock"
        clock = SteppedClock.create(file, start + timedelta(minutes=1))
        async with running() as server:
            settings = {
                "HEARBACK_CLOCK": f"file:{file}",
                "HEARBACK_SMTP_URL": f"smtp://{HOST}:{server.port}",
                "HEARBACK_SMTP_RECEIPTS_URL": "",
                "HEARBACK_COURIER_CONNECTIONS": str(CONNECTIONS),
            }
            database = await asyncpg.connect(on.database.owner_url)
            try:
                progress("starting dispatcher and courier", 0)
                async with on.stack("dispatcher", "courier", **settings) as stack:
                    await stack.stop("courier")
                    await _timers_set(database, surveys, progress)
                    clock.step_to(start + DUE_AFTER + timedelta(minutes=1))
                    decided = await _decide(on, database, stack, surveys, progress)
                    await server.set_round_trip(ROUND_TRIP_SECONDS)
                    far, at_once = await _deliver(stack, server, surveys, mails_far_away, progress)
                    await _until_published(on, DELIVERIES, surveys, progress)
                mails = await server.mails()
                await _check(database, mails, surveys)
            finally:
                await database.close()
            bare_far, bare_at_once = await _bare(server, progress)
    return Result(
        "sends",
        (
            Measure(
                "surveys decided",
                decided.rate,
                "per second",
                expected=f"at least {LEAST_DECIDED:,}",
                met=decided.rate >= LEAST_DECIDED,
            ),
            Measure("CPU time of the dispatcher, with publishing", decided.cpu_seconds * 1e6, "µs per survey"),
            Measure("mails, 20 ms away", far.rate, "per second"),
            Measure("bare aiosmtplib, 20 ms away", bare_far, "per second"),
            Measure("ratio, 20 ms away", far.rate / bare_far, "", expected="at least 3", met=far.rate >= 3 * bare_far),
            Measure("mails, at once", at_once.rate, "per second"),
            Measure("bare aiosmtplib, at once", bare_at_once, "per second"),
            Measure("ratio, at once", at_once.rate / bare_at_once, ""),
            Measure("CPU time of the courier", at_once.cpu_seconds * 1e6, "µs per mail"),
        ),
        (f"each of {surveys:,} customers was sent one survey, and got one mail, with one event",),
    )


class _Run:
    """How often something happened a second, and the CPU seconds of the process for each."""

    def __init__(self, count: int, seconds: float, cpu_seconds: float) -> None:
        self.rate = count / seconds
        self.cpu_seconds = cpu_seconds / count


def _order(number: int, at: datetime) -> Record:
    customer, now = f"c-{number}", at.isoformat()
    body = {
        "order_id": f"o-{number}",
        "occurred_at": now,
        "customer": {
            "id": customer,
            "email": f"{customer}@customers.example",
            "name": ("Ana", "Bruno", "Jörg", "美咲")[number % 4],
            "locale": ("pt-BR", "en", "nb", "zh-TW")[number % 4],
            "country": "BR",
            "region": f"r{number % 27}",
            "tier": ("gold", "silver", "bronze")[number % 3],
        },
        "total": {"amount": f"{10 + number % 400}.90", "currency": "BRL"},
        "items": [{"sku": f"s-{number % 997}", "name": "A wooden train", "category": f"k{number % 70}", "quantity": 1}],
    }
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(uuid4()).encode()),
        ("ce_source", b"/shop"),
        ("ce_type", orders.PLACED.encode()),
        ("ce_time", now.encode()),
        ("content-type", b"application/json"),
    ]
    return Record(key=customer.encode(), value=orjson.dumps(body), headers=headers)


async def _timers_set(database: "asyncpg.Connection[asyncpg.Record]", surveys: int, progress: Progress) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while (done := await committed(database, "dispatcher", ORDERS)) < surveys:
            progress("setting timers", done / surveys)
            await asyncio.sleep(0.1)


async def _decide(
    on: Environment, database: "asyncpg.Connection[asyncpg.Record]", stack: Stack, surveys: int, progress: Progress
) -> _Run:
    """From the first batch that is decided to the last, and until all of them are published."""
    process = psutil.Process(stack.running["dispatcher"].pid)
    cpu = _cpu_seconds(process)
    samples = [(time.perf_counter(), 0)]
    async with asyncio.timeout(LIMIT_SECONDS):
        while samples[-1][1] < surveys:
            sent = await database.fetchval("SELECT count(*) FROM dispatcher.sends")
            if sent != samples[-1][1]:
                samples.append((time.perf_counter(), sent))
            progress("deciding", sent / surveys)
            await asyncio.sleep(0.02)
    if len(samples) < 3:
        raise WrongOutcome("all surveys were decided in one batch, which gives no rate: use more surveys")
    await _until_published(on, SENDS, surveys, progress)
    (began, before), (ended, after) = samples[1], samples[-1]
    return _Run(after - before, ended - began, (_cpu_seconds(process) - cpu) * (after - before) / surveys)


async def _deliver(
    stack: Stack, server: MailServer, surveys: int, mails_far_away: int, progress: Progress
) -> tuple[_Run, _Run]:
    """The mails to a server that is far away, and then those to one that replies at once."""
    await stack.start("courier")
    process = psutil.Process(stack.running["courier"].pid)
    arrived = [0]
    cpu: list[float] = []
    async with asyncio.timeout(LIMIT_SECONDS):
        for until in (WARM_UP, mails_far_away, mails_far_away + WARM_UP, surveys):
            while arrived[-1] < until:
                arrived.append(await server.count())
                progress("delivering", arrived[-1] / surveys)
                await asyncio.sleep(0.01)
            cpu.append(_cpu_seconds(process))
            if until == mails_far_away:
                await server.set_round_trip(0)
    at = [mail.at for mail in await server.mails()]
    far_away = at[WARM_UP:mails_far_away]
    at_once = at[mails_far_away + WARM_UP :]
    return (
        _Run(len(far_away), far_away[-1] - far_away[0], cpu[1] - cpu[0]),
        _Run(len(at_once), at_once[-1] - at_once[0], cpu[3] - cpu[2]),
    )


async def _until_published(on: Environment, topic: Topic, count: int, progress: Progress) -> None:
    consumer: AIOKafkaConsumer = bare_consumer(on)
    await consumer.start()
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while (end := sum((await consumer.end_offsets(partitions(on, topic))).values())) < count:
                progress(f"publishing to {topic.name}", end / count)
                await asyncio.sleep(0.05)
    finally:
        await consumer.stop()
    if end != count:
        raise WrongOutcome(f"{topic.name} has {end} records instead of {count}")


async def _check(database: "asyncpg.Connection[asyncpg.Record]", mails: Sequence[Mail], surveys: int) -> None:
    sent = {row["send_id"]: row["customer_id"] for row in await database.fetch(
        "SELECT send_id::text AS send_id, customer_id FROM dispatcher.sends"
    )}  # fmt: skip
    wanted = Counter(f"c-{number}@customers.example" for number in range(surveys))
    if Counter(f"{customer}@customers.example" for customer in sent.values()) != wanted:
        raise WrongOutcome(f"{len(sent)} surveys were sent, not one to each of {surveys} customers")
    if Counter(mail.recipient for mail in mails) != wanted:
        raise WrongOutcome(f"{len(mails)} mails arrived, not one for each of {surveys} customers")
    for mail in mails:
        if mail.recipient != f"{sent.get(mail.send_id)}@customers.example":
            raise WrongOutcome(f"the mail of {mail.send_id} went to somebody else")
    outcomes = await database.fetch("SELECT state, count(*) AS count FROM dispatcher.deliveries GROUP BY state")
    if {row["state"]: row["count"] for row in outcomes} != {"accepted": surveys}:
        raise WrongOutcome(f"the deliveries are {[dict(row) for row in outcomes]}, not {surveys} accepted")
    if await database.fetchval("SELECT count(*) FROM dispatcher.dead_letters"):
        raise WrongOutcome("there are dead letters")


async def _bare(server: MailServer, progress: Progress) -> tuple[float, float]:
    """Mails a second with aiosmtplib alone: 20 ms away, and at once."""
    contents = await server.samples()
    rates = []
    for round_trip, count in ((ROUND_TRIP_SECONDS, BARE_MAILS), (0.0, BARE_MAILS_AT_ONCE)):
        progress("aiosmtplib alone", 0)
        await server.set_round_trip(round_trip)
        clients = [aiosmtplib.SMTP(hostname=HOST, port=server.port, start_tls=False) for _ in range(CONNECTIONS)]
        for client in clients:
            await client.connect()
            await client.ehlo()
        waiting = [contents[number % len(contents)] for number in range(count)]

        async def send(client: aiosmtplib.SMTP, waiting: list[bytes] = waiting) -> None:
            while waiting:
                await client.sendmail("surveys@shop.example", ["ana@customers.example"], waiting.pop())

        began = time.perf_counter()
        await asyncio.gather(*(send(client) for client in clients))
        rates.append(count / (time.perf_counter() - began))
        for client in clients:
            client.close()
    return rates[0], rates[1]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
