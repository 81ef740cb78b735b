"""From an answer's acknowledgement to its record on `followups.detractors`, at a steady rate, with everything running.

Beside it the same two hops with nothing in them: a producer, a loop that consumes, decodes and produces on, and a
consumer, on topics with as many partitions, at the same rate. They keep nothing and may lose or double a record; they
run before and after, while the product's processes are up and idle.
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
"""Sent and checked like the rest, not measured."""
ARRIVE_WITHIN_SECONDS = 30.0
DUPLICATES_FOR_SECONDS = 2.0
"""How long to listen for a second record when every first one is there."""
LEAST_OF_THE_RATE = 0.95

DETRACTORS = followup_topic("detractors")
BARE_ANSWERS = replace(ANSWERS, name="bare.answers")
BARE_DETRACTORS = replace(DETRACTORS, name="bare.detractors")

Send = Callable[[str, int], Awaitable[float]]
"""Sends the answer of that id and score, and gives back when the clock starts for it."""


async def measure(on: Environment, progress: Progress, rate: int = 200, seconds: float = 20.0) -> Result:
    """Raises WrongOutcome unless each detractor arrives exactly once, nobody else does, and the rate was kept."""
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
                    raise WrongOutcome(f"the collector answered {response.status_code}: {response.text[:200]}")
                return time.perf_counter()

            product = await _drive(post, arrivals, rate, seconds, progress, "answers")
        bare.append(await _bare(on, rate, seconds / 2, progress))

    hops = sorted([*bare[0].hops, *bare[1].hops])
    figures = {
        name: (_quantile(product.hops, share), _quantile(hops, share)) for name, share in (("p50", 0.5), ("p99", 0.99))
    }
    milliseconds = 1_000
    return Result(
        "reaction",
        (
            Measure("answers acknowledged", product.rate, "a second"),
            *(
                Measure(f"acknowledgement to record, {name}", ours * milliseconds, "ms")
                for name, (ours, _) in figures.items()
            ),
            *(
                Measure(f"the same two hops, bare, {name}", bare * milliseconds, "ms")
                for name, (_, bare) in figures.items()
            ),
            *(Measure(f"ratio, {name}", ours / bare, "times the bare one") for name, (ours, bare) in figures.items()),
            Measure("request to acknowledgement, p50", _quantile(product.sending, 0.5) * milliseconds, "ms"),
            Measure("request to acknowledgement, p99", _quantile(product.sending, 0.99) * milliseconds, "ms"),
        ),
        (
            f"each of {product.detractors:,} detractors of {product.sent:,} answers arrived once, and nobody else did",
            f"{len(product.hops):,} of them measured and {len(hops):,} bare hops, after {WARM_UP_SECONDS:.0f} s each",
        ),
    )


@dataclass
class _Arrivals:
    """How often each answer's record came, and when it came first."""

    count: Counter[str] = field(default_factory=Counter)
    at: dict[str, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, answer_id: str, now: float) -> None:
        self.count[answer_id] += 1
        self.at.setdefault(answer_id, now)
        self.news.set()


@dataclass(frozen=True, slots=True)
class _Run:
    """Seconds, sorted: ``hops`` from the start of the clock to the record, ``sending`` until the clock started."""

    sent: int
    detractors: int
    rate: float
    hops: Sequence[float]
    sending: Sequence[float]


async def _drive(send: Send, arrivals: _Arrivals, rate: int, seconds: float, progress: Progress, doing: str) -> _Run:
    """Sends at fixed moments, however long the answers before take: a slow product cannot slow its own measuring."""
    warm_up = int(rate * WARM_UP_SECONDS)
    total = warm_up + int(rate * seconds)
    answers = [(str(uuid4()), number % 11) for number in range(total)]
    asked: list[float] = [0.0] * total
    began = time.perf_counter() + 0.1

    async def one(number: int) -> float:
        asked[number] = time.perf_counter()
        return await send(*answers[number])

    tasks = []
    for number in range(total):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number)))
        if number % 50 == 0:
            progress(f"{doing}, {rate} a second", number / total)
    started = await asyncio.gather(*tasks)
    kept = (total - 1) / (max(started) - min(started))
    if kept < rate * LEAST_OF_THE_RATE:
        raise WrongOutcome(f"{doing}: {kept:.0f} a second instead of {rate}; on a busy machine try a lower --rate")

    detractors = {answer_id for answer_id, score in answers if group_of(score) == "detractor"}
    await _arrived(arrivals, detractors)
    measured = [number for number in range(warm_up, total) if answers[number][0] in detractors]
    return _Run(
        sent=total,
        detractors=len(detractors),
        rate=kept,
        hops=sorted(arrivals.at[answers[number][0]] - started[number] for number in measured),
        sending=sorted(started[number] - asked[number] for number in range(warm_up, total)),
    )


async def _arrived(arrivals: _Arrivals, detractors: set[str]) -> None:
    """Raises WrongOutcome unless each of them has come once, and nothing else has."""
    try:
        async with asyncio.timeout(ARRIVE_WITHIN_SECONDS):
            while not detractors <= arrivals.at.keys():
                arrivals.news.clear()
                await arrivals.news.wait()
    except TimeoutError:
        missing = len(detractors - arrivals.at.keys())
        raise WrongOutcome(f"{missing} of {len(detractors)} detractors did not arrive") from None
    await asyncio.sleep(DUPLICATES_FOR_SECONDS)
    strangers = arrivals.at.keys() - detractors
    twice = [answer_id for answer_id, count in arrivals.count.items() if count > 1]
    if strangers or twice:
        raise WrongOutcome(f"{len(twice)} detractors arrived more than once, {len(strangers)} records are of nobody's")


@asynccontextmanager
async def _listening(
    on: Environment, topic: Topic, answer_of: Callable[["ConsumerRecord[bytes, bytes]"], str]
) -> AsyncIterator[_Arrivals]:
    """What comes from now on."""
    consumer = bare_consumer(on)
    await consumer.start()
    arrivals = _Arrivals()

    async def listen() -> None:
        while True:
            batch = await consumer.getmany(timeout_ms=1_000)
            now = time.perf_counter()
            for records in batch.values():
                for record in records:
                    arrivals.take(answer_of(record), now)

    try:
        await _from_now_on(consumer, on, topic)
        async with _beside(listen()):
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

    async def pass_on() -> None:
        while True:
            for records in (await middle_consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    if orjson.loads(record.value)["score"] <= 6:
                        await middle_producer.send(on.topic(BARE_DETRACTORS.name), record.value, key=record.key)

    try:
        await _from_now_on(middle_consumer, on, BARE_ANSWERS)
        async with _listening(on, BARE_DETRACTORS, _answer_of_bare) as arrivals, _beside(pass_on()):
            return await _drive(send, arrivals, rate, seconds, progress, "bare hops")
    finally:
        await asyncio.gather(producer.stop(), middle_producer.stop(), middle_consumer.stop())


async def _from_now_on(consumer: AIOKafkaConsumer, on: Environment, topic: Topic) -> None:
    consumer.assign(partitions(on, topic))
    await consumer.seek_to_end()
    for partition in partitions(on, topic):
        await consumer.position(partition)


@asynccontextmanager
async def _beside(loop: Awaitable[None]) -> AsyncIterator[None]:
    """Runs an endless loop for as long as the body takes. What ends the loop raises here."""
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
        raise WrongOutcome(f"a {kind} of score {case['answer']['score']} came to {DETRACTORS.name}")
    return str(case["answer"]["answer_id"])


def _answer_of_bare(record: "ConsumerRecord[bytes, bytes]") -> str:
    return str(orjson.loads(record.value)["answer_id"])


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of them do not exceed."""
    return ordered[math.ceil(len(ordered) * share) - 1]
