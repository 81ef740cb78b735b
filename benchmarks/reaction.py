"""Latency from an answer's acknowledgement to its record on `followups.detractors`, at a steady rate, in a full stack.

The baseline is the same two hops without any work: a producer, a loop that consumes, decodes and forwards, and a
consumer, on topics with as many partitions and at the same rate. It keeps no state and may lose or duplicate records;
it runs before and after, while the product's processes are up and idle.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import httpx
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from benchmarks.environment import Environment
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress, bare_consumer, partitions
from shared.contracts import followups
from shared.contracts.topics import ANSWERS, Topic, followup_topic
from shared.messaging.topics import ensure_topics
from shared.nps import group_of

WARM_UP_SECONDS = 2.0
"""Answers in this period are sent and checked, but not measured."""
ARRIVAL_TIMEOUT_SECONDS = 30.0
DUPLICATE_WATCH_SECONDS = 2.0
"""How long to watch for duplicates after every record has arrived."""
MINIMUM_SHARE_OF_RATE = 0.95

DETRACTORS = followup_topic("detractors")
BARE_ANSWERS = replace(ANSWERS, name="bare.answers")
BARE_DETRACTORS = replace(DETRACTORS, name="bare.detractors")

Send = Callable[[str, int], Awaitable[float]]
"""Sends the answer with this id and score, and returns the time from which to measure."""


async def measure(on: Environment, progress: Progress, rate: int = 200, seconds: float = 20.0) -> Result:
    """Raises WrongOutcome unless each detractor, and no other answer, arrives exactly once, at the requested rate."""
    await ensure_topics(on.settings(), [BARE_ANSWERS, BARE_DETRACTORS])
    progress("starting the product", 0)
    async with on.stack() as stack:
        bare = [await _bare(on, rate, seconds / 2, progress)]
        async with (
            httpx.AsyncClient(headers={"Authorization": f"Bearer {stack.api_key}"}, timeout=20) as client,
            _listening(on, DETRACTORS, _answer_of_case) as arrivals,
        ):
            url = f"{stack.url('collector')}/v1/answers"

            async def post(answer_id: str, score: int) -> float:
                response = await client.post(url, json={"answer_id": answer_id, "score": score})
                if response.status_code != 202:
                    raise WrongOutcome(f"the collector returned {response.status_code}: {response.text[:200]}")
                return time.perf_counter()

            product = await _drive(post, arrivals, rate, seconds, progress, "answers")
        bare.append(await _bare(on, rate, seconds / 2, progress))

    hops = sorted([*bare[0].hops, *bare[1].hops])
    latencies = {
        name: (_quantile(product.hops, share), _quantile(hops, share)) for name, share in (("p50", 0.5), ("p99", 0.99))
    }
    milliseconds = 1_000
    return Result(
        "reaction",
        (
            Measure("answers acknowledged", product.rate, "per second"),
            *(
                Measure(f"acknowledgement to record, {name}", ours * milliseconds, "ms")
                for name, (ours, _) in latencies.items()
            ),
            *(
                Measure(f"the same two hops, bare, {name}", bare * milliseconds, "ms")
                for name, (_, bare) in latencies.items()
            ),
            *(
                Measure(f"ratio, {name}", ours / bare, "times the bare hops")
                for name, (ours, bare) in latencies.items()
            ),
            Measure("request to acknowledgement, p50", _quantile(product.sending, 0.5) * milliseconds, "ms"),
            Measure("request to acknowledgement, p99", _quantile(product.sending, 0.99) * milliseconds, "ms"),
        ),
        (
            f"each of {product.detractors:,} detractors of {product.sent:,} answers arrived once, and no other record",
            f"measured {len(product.hops):,} of them and {len(hops):,} bare hops",
            f"the first {WARM_UP_SECONDS:.0f} s of each run were not measured",
        ),
    )


@dataclass
class _Arrivals:
    """How often each answer's record arrived, and when it first did."""

    count: Counter[str] = field(default_factory=Counter)
    at: dict[str, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, answer_id: str, now: float) -> None:
        self.count[answer_id] += 1
        self.at.setdefault(answer_id, now)
        self.news.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Sorted durations in seconds: ``hops`` until the record arrived, ``sending`` until the acknowledgement."""

    sent: int
    detractors: int
    rate: float
    hops: Sequence[float]
    sending: Sequence[float]


async def _drive(send: Send, arrivals: _Arrivals, rate: int, seconds: float, progress: Progress, step: str) -> _Run:
    """Sends at fixed times, however long earlier requests take, so that a slow product cannot slow the load."""
    warm_up = int(rate * WARM_UP_SECONDS)
    total = warm_up + int(rate * seconds)
    answers = [(str(uuid4()), number % 11) for number in range(total)]
    requested: list[float] = [0.0] * total
    began = time.perf_counter() + 0.1

    async def send_one(number: int) -> float:
        requested[number] = time.perf_counter()
        return await send(*answers[number])

    tasks = []
    for number in range(total):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(send_one(number)))
        if number % 50 == 0:
            progress(f"{step}, {rate} per second", number / total)
    started = await asyncio.gather(*tasks)
    actual_rate = (total - 1) / (max(started) - min(started))
    if actual_rate < rate * MINIMUM_SHARE_OF_RATE:
        raise WrongOutcome(
            f"{step}: {actual_rate:.0f} per second instead of {rate}; on a busy machine try a lower --rate"
        )

    detractors = {answer_id for answer_id, score in answers if group_of(score) == "detractor"}
    await _wait_for_arrivals(arrivals, detractors)
    measured = [number for number in range(warm_up, total) if answers[number][0] in detractors]
    return _Run(
        sent=total,
        detractors=len(detractors),
        rate=actual_rate,
        hops=sorted(arrivals.at[answers[number][0]] - started[number] for number in measured),
        sending=sorted(started[number] - requested[number] for number in range(warm_up, total)),
    )


async def _wait_for_arrivals(arrivals: _Arrivals, detractors: set[str]) -> None:
    """Raises WrongOutcome unless each of them, and nothing else, has arrived once."""
    try:
        async with asyncio.timeout(ARRIVAL_TIMEOUT_SECONDS):
            while not detractors <= arrivals.at.keys():
                arrivals.news.clear()
                await arrivals.news.wait()
    except TimeoutError:
        missing = len(detractors - arrivals.at.keys())
        raise WrongOutcome(f"{missing} of {len(detractors)} detractors did not arrive") from None
    await asyncio.sleep(DUPLICATE_WATCH_SECONDS)
    unexpected = arrivals.at.keys() - detractors
    twice = [answer_id for answer_id, count in arrivals.count.items() if count > 1]
    if unexpected or twice:
        raise WrongOutcome(f"{len(twice)} detractors arrived more than once, {len(unexpected)} records were unexpected")


@asynccontextmanager
async def _listening(
    on: Environment, topic: Topic, answer_of: Callable[["ConsumerRecord[bytes, bytes]"], str]
) -> AsyncIterator[_Arrivals]:
    """Records that arrive from now on."""
    consumer = bare_consumer(on)
    await consumer.start()
    arrivals = _Arrivals()

    async def listen() -> None:
        while True:
            batch = await consumer.getmany(timeout_ms=1_000)
            now = time.perf_counter()
            for records in batch.values():
                for record in records:
                    arrivals.add(answer_of(record), now)

    try:
        await _seek_to_end(consumer, on, topic)
        async with _running(listen()):
            yield arrivals
    finally:
        await consumer.stop()


async def _bare(on: Environment, rate: int, seconds: float, progress: Progress) -> _Run:
    producer = AIOKafkaProducer(bootstrap_servers=on.kafka_bootstrap_servers, enable_idempotence=True)
    middle_producer = AIOKafkaProducer(bootstrap_servers=on.kafka_bootstrap_servers, enable_idempotence=True)
    middle_consumer = bare_consumer(on)
    await asyncio.gather(producer.start(), middle_producer.start(), middle_consumer.start())

    async def send(answer_id: str, score: int) -> float:
        began = time.perf_counter()
        value = orjson.dumps({"answer_id": answer_id, "score": score})
        await producer.send(on.topic(BARE_ANSWERS.name), value, key=answer_id.encode())
        return began

    async def forward() -> None:
        while True:
            for records in (await middle_consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    if orjson.loads(record.value)["score"] <= 6:
                        await middle_producer.send(on.topic(BARE_DETRACTORS.name), record.value, key=record.key)

    try:
        await _seek_to_end(middle_consumer, on, BARE_ANSWERS)
        async with _listening(on, BARE_DETRACTORS, _answer_of_bare) as arrivals, _running(forward()):
            return await _drive(send, arrivals, rate, seconds, progress, "bare hops")
    finally:
        await asyncio.gather(producer.stop(), middle_producer.stop(), middle_consumer.stop())


async def _seek_to_end(consumer: AIOKafkaConsumer, on: Environment, topic: Topic) -> None:
    consumer.assign(partitions(on, topic))
    await consumer.seek_to_end()
    for partition in partitions(on, topic):
        await consumer.position(partition)


@asynccontextmanager
async def _running(loop: Awaitable[None]) -> AsyncIterator[None]:
    """Runs an endless loop during the block. An exception that ends the loop is raised here."""
    task = asyncio.ensure_future(loop)
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()


def _answer_of_case(record: "ConsumerRecord[bytes, bytes]") -> str:
    kind = dict(record.headers)["ce_type"].decode()
    case = orjson.loads(record.value)
    if kind != followups.OPENED or group_of(case["answer"]["score"]) != "detractor":
        raise WrongOutcome(f"a {kind} with score {case['answer']['score']} arrived on {DETRACTORS.name}")
    return str(case["answer"]["answer_id"])


def _answer_of_bare(record: "ConsumerRecord[bytes, bytes]") -> str:
    return str(orjson.loads(record.value)["answer_id"])


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of them do not exceed."""
    return ordered[math.ceil(len(ordered) * share) - 1]
