"""Latency from an answer's acknowledgement to its record on `followups.detractors`, at steady rates, in a full stack;
and the processor time of everything for an answer.

The baseline is the same two hops without any work: a producer, a loop that consumes, decodes and forwards, and a
consumer, on topics with as many partitions and at the same rate. It keeps no state and may lose or duplicate records;
it runs before and after, while the product's processes are up and idle.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from benchmarks.environment import Environment
from benchmarks.poster import Poster
from benchmarks.processor_time import seconds_of
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress, bare_consumer, partitions
from deploy.local.stack import Stack
from shared.contracts import followups
from shared.contracts.topics import ANSWERS, Topic, followup_topic
from shared.messaging.topics import ensure_topics
from shared.nps import group_of

WARM_UP_SECONDS = 2.0
"""Answers in this period are sent and checked, but not measured."""
IDLE_SECONDS = 5.0
"""For so long the processor time of the idle stack is measured, after as long for it to settle."""
ARRIVAL_TIMEOUT_SECONDS = 30.0
DUPLICATE_WATCH_SECONDS = 1.0
"""How long to watch for duplicates after every record has arrived."""
MINIMUM_SHARE_OF_RATE = 0.95

# At most so many times what the bare hops take at the same rate: p50, p99.
LIMITS = {20: (4.0, 4.0), 200: (14.0, 8.0)}
RATE_KEPT = 400
RATE_OF_PROCESSOR_TIME = 200
PROCESSOR_MILLISECONDS = 7.0

DETRACTORS = followup_topic("detractors")
BARE_ANSWERS = replace(ANSWERS, name="bare.answers")
BARE_DETRACTORS = replace(DETRACTORS, name="bare.detractors")

Send = Callable[[str, int], Awaitable[float]]
"""Sends the answer with this id and score, and returns the time from which to measure."""


async def measure(on: Environment, progress: Progress, seconds: float = 10.0) -> Result:
    """``seconds`` are those measured at each rate; at the highest, and of bare hops, half as long.

    Raises WrongOutcome unless each detractor, and no other answer, arrives exactly once, at the requested rate.
    """
    await ensure_topics(on.settings(), [BARE_ANSWERS, BARE_DETRACTORS])
    progress("starting the product", 0)
    async with on.stack() as stack:
        bare = {rate: [await _bare(on, rate, seconds / 2, progress)] for rate in LIMITS}
        used = _ProcessorTime({**on.pids, **{name: record.pid for name, record in stack.running.items()}})
        await _idle(used, progress)
        product = await _product(on, stack, used, seconds, progress)
        for rate, runs in bare.items():
            runs.append(await _bare(on, rate, seconds / 2, progress))
    measures: list[Measure] = []
    for rate, limits in LIMITS.items():
        measures += _compared(rate, product[rate], [run.hops for run in bare[rate]], limits)
    fastest = product[RATE_KEPT]
    measures += [
        Measure(
            f"answers kept, of {RATE_KEPT} sent",
            fastest.rate,
            "per second",
            expected=f"at least {MINIMUM_SHARE_OF_RATE:.0%}",
            met=True,
        ),
        *(
            Measure(
                f"{RATE_KEPT} a second: acknowledgement to record, {name}", _quantile(fastest.hops, share) * 1e3, "ms"
            )
            for name, share in _SHARES.items()
        ),
        *used.measures(),
    ]
    detractors, sent = sum(run.detractors for run in product.values()), sum(run.sent for run in product.values())
    return Result(
        "reaction",
        measures,
        (
            f"each of {detractors:,} detractors of {sent:,} answers arrived once, and no other record",
            f"the first {WARM_UP_SECONDS:.0f} s of each run were not measured",
        ),
    )


async def _idle(used: "_ProcessorTime", progress: Progress) -> None:
    progress("idle", 0)
    await asyncio.sleep(IDLE_SECONDS)
    progress("idle", 0.5)
    used.begin()
    await asyncio.sleep(IDLE_SECONDS)
    used.idle()


async def _product(
    on: Environment, stack: Stack, used: "_ProcessorTime", seconds: float, progress: Progress
) -> dict[int, "_Run"]:
    """The run at each rate."""
    async with (
        Poster(f"{stack.url('collector')}/v1/answers", stack.api_key) as poster,
        _listening(on, DETRACTORS, _answer_of_case) as arrivals,
    ):

        async def post(answer_id: str, score: int) -> float:
            status, content = await poster.post({"answer_id": answer_id, "score": score})
            if status != 202:
                raise WrongOutcome(f"the collector returned {status}: {content[:200]!r}")
            return time.perf_counter()

        runs = {}
        for rate in LIMITS:
            at_work = used if rate == RATE_OF_PROCESSOR_TIME else None
            runs[rate] = await _drive(post, arrivals, rate, seconds, progress, "answers", at_work)
        runs[RATE_KEPT] = await _drive(post, arrivals, RATE_KEPT, seconds / 2, progress, "answers")
    return runs


_SHARES = {"p50": 0.5, "p99": 0.99}


def _compared(rate: int, ours: "_Run", bare: Sequence[Sequence[float]], limits: tuple[float, float]) -> list[Measure]:
    """Other load only slows the bare hops down, so of their two runs the faster counts."""
    figures = [Measure(f"{rate} a second: answers acknowledged", ours.rate, "per second")]
    for (name, share), limit in zip(_SHARES.items(), limits, strict=True):
        took, without = _quantile(ours.hops, share), min(_quantile(hops, share) for hops in bare)
        figures += [
            Measure(f"{rate} a second: acknowledgement to record, {name}", took * 1e3, "ms"),
            Measure(f"{rate} a second: the same two hops, bare, {name}", without * 1e3, "ms"),
            Measure(
                f"{rate} a second: ratio, {name}",
                took / without,
                "times the bare hops",
                expected=f"at most {limit:.0f}",
                met=took / without <= limit,
            ),
            Measure(f"{rate} a second: request to acknowledgement, {name}", _quantile(ours.sending, share) * 1e3, "ms"),
        ]
    return figures


class _ProcessorTime:
    """What every process uses for an answer: what it used while answers were posted, less what it uses when idle."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._idle: dict[str, float] = {}
        self._per_answer: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        self._began_at, self._before = time.perf_counter(), seconds_of(self._pids)

    def idle(self) -> None:
        """The stack was idle since ``begin``."""
        self._idle = self._rates()

    def at_work(self, answers: int) -> None:
        """So many answers were posted since ``begin``."""
        seconds = time.perf_counter() - self._began_at
        self._per_answer = {name: (used - self._idle[name]) * seconds / answers for name, used in self._rates().items()}

    def _rates(self) -> dict[str, float]:
        seconds = time.perf_counter() - self._began_at
        return {name: (now - self._before[name]) / seconds for name, now in seconds_of(self._pids).items()}

    def measures(self) -> list[Measure]:
        total = sum(self._per_answer.values()) * 1e3
        return [
            *(
                Measure(f"processor time for an answer, {name}", each * 1e3, "ms")
                for name, each in self._per_answer.items()
            ),
            self._total(total),
            Measure("processor time when idle, everything", sum(self._idle.values()) * 100, "% of one core"),
        ]

    def _total(self, milliseconds: float) -> Measure:
        at = f"processor time for an answer at {RATE_OF_PROCESSOR_TIME} a second"
        if not {"kafka", "postgresql"} <= self._pids.keys():
            return Measure(f"{at}, without Kafka and PostgreSQL, which are not ours", milliseconds, "ms")
        return Measure(
            f"{at}, everything",
            milliseconds,
            "ms",
            expected=f"at most {PROCESSOR_MILLISECONDS:.0f}",
            met=milliseconds <= PROCESSOR_MILLISECONDS,
        )


@dataclass
class _Arrivals:
    """How often each answer's record arrived, and when it first did."""

    count: Counter[str] = field(default_factory=Counter)
    at: dict[str, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def clear(self) -> None:
        self.count.clear()
        self.at.clear()

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


async def _drive(
    send: Send,
    arrivals: _Arrivals,
    rate: int,
    seconds: float,
    progress: Progress,
    step: str,
    used: _ProcessorTime | None = None,
) -> _Run:
    """Sends at fixed times, however long earlier requests take, so that a slow product cannot slow the load.

    Only the answers of this run may arrive meanwhile.
    """
    arrivals.clear()
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
        if number == warm_up and used is not None:
            used.begin()
        tasks.append(asyncio.create_task(send_one(number)))
        if number % 50 == 0:
            progress(f"{step}, {rate} per second", number / total)
    started = await asyncio.gather(*tasks)
    actual_rate = (total - 1) / (max(started) - min(started))
    if actual_rate < rate * MINIMUM_SHARE_OF_RATE:
        raise WrongOutcome(f"{step}: {actual_rate:.0f} per second instead of {rate}; is the machine busy?")

    detractors = {answer_id for answer_id, score in answers if group_of(score) == "detractor"}
    if used is not None:
        used.at_work(total - warm_up)
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
