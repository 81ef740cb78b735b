"""Processor time of every process while nothing happens, and how soon the first thing after a silence is handled.

Beside the product runs a second broker with the same topics and no clients, from before it to after it: what an idle
broker takes is Kafka's own share, and what the product's broker takes beyond that is the product's.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import psutil
from pydantic import SecretStr

from benchmarks.environment import STATE
from benchmarks.installation import SUPERVISOR, Installation
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress
from deploy.local.commands import remove_state
from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import KafkaNode
from deploy.local.ports import free_ports
from deploy.local.supervisor import ProcessRecord, Supervisor
from shared.messaging.topics import all_topics, ensure_topics
from shared.settings import ServiceSettings

EXPECTED_PERCENT = 12.0
SECONDS = 30.0
SETTLE_SECONDS = 10.0
"""After everything is ready: lets first rounds, statement caches and the compilers of Java settle."""
ARRIVAL_SECONDS = 10.0
BARE_BROKER = "kafka, bare: no clients"


async def measure(progress: Progress, seconds: float = SECONDS) -> Result:
    """Uses its own fresh stack. Raises WrongOutcome when a process was restarted, is not ready, or does not handle an
    answer after the silence."""
    installation = await asyncio.to_thread(Installation.fresh, "idle")
    try:
        progress("starting", 0)
        async with _bare_broker() as bare:
            await installation.up()
            # So that what is done for the first time, by every process on the way, is not measured.
            await _answer(installation, 1)
            processes = installation.processes()
            await _wait("settling", SETTLE_SECONDS, progress)
            used = await _usage({**processes, BARE_BROKER: bare}, seconds, progress)
            if installation.processes() != processes:
                raise WrongOutcome("a process died and was restarted while it should have been idle")
            await installation.require_ready(f"nothing happened for {seconds:.0f} s")
            progress("after the silence", 1)
            waits = await _answer(installation, 2)
    finally:
        await asyncio.to_thread(installation.remove)
    beyond = used.product - used.of[BARE_BROKER]
    return Result(
        "idle",
        (
            *(Measure(name, share, "% of a core") for name, share in used.of.items() if name != "postgresql"),
            *(
                Measure(f"postgresql: {part}", share, "% of a core")
                for part, share in sorted(used.of_postgresql.items(), key=lambda item: -item[1])
                if share >= 0.05
            ),
            Measure("postgresql, all of it", used.of["postgresql"], "% of a core"),
            Measure(
                "the whole product beside Kafka's own",
                beyond,
                "% of a core",
                expected=f"at most {EXPECTED_PERCENT:.0f} %",
                met=beyond <= EXPECTED_PERCENT,
            ),
            Measure("after the silence: answer to score", waits.score * 1_000, "ms"),
            Measure("after the silence: answer to case", waits.case * 1_000, "ms"),
        ),
        (
            f"{len(processes)} processes, {SUPERVISOR} included, ran for {seconds:.0f} s and none was restarted",
            "every process was ready afterwards; an answer was then counted, and its case opened",
        ),
    )


@dataclass(frozen=True, slots=True)
class _Used:
    """In % of a core, by process; PostgreSQL's also by its parts."""

    of: dict[str, float]
    of_postgresql: dict[str, float]

    @property
    def product(self) -> float:
        """Kafka included."""
        return sum(share for name, share in self.of.items() if name != BARE_BROKER)


@dataclass(frozen=True, slots=True)
class _Waits:
    """Seconds from an answer's acknowledgement until its effect can be seen over HTTP."""

    score: float
    case: float


@contextlib.asynccontextmanager
async def _bare_broker() -> AsyncIterator[ProcessRecord]:
    folder = STATE / "idle-broker"
    await asyncio.to_thread(remove_state, folder)
    port, controller_port = free_ports(2)
    node = KafkaNode(folder=folder / "kafka", port=port, controller_port=controller_port)
    supervisor = Supervisor(folder / "processes.json")
    jars = await fetch_jars(read_lock())
    try:
        await node.prepare(jars)
        await supervisor.start(node.program(jars, folder / "kafka.log"))
        settings = ServiceSettings(kafka_bootstrap_servers=node.bootstrap_servers, secret=SecretStr("0" * 32))
        await ensure_topics(settings, all_topics())
        yield supervisor.processes["kafka"]
    finally:
        await supervisor.stop_all()
        await asyncio.to_thread(remove_state, folder)


async def _usage(processes: dict[str, ProcessRecord], seconds: float, progress: Progress) -> _Used:
    before = {name: _processor_seconds(name, record) for name, record in processes.items()}
    parts_before = _postgresql_parts(processes["postgresql"].pid)
    began = time.perf_counter()
    await _wait("nothing happens", seconds, progress)
    passed = time.perf_counter() - began
    after = {name: _processor_seconds(name, record) for name, record in processes.items()}
    parts_after = _postgresql_parts(processes["postgresql"].pid)
    return _Used(
        {name: (after[name] - before[name]) / passed * 100 for name in processes},
        {part: (spent - parts_before.get(part, 0.0)) / passed * 100 for part, spent in parts_after.items()},
    )


def _processor_seconds(name: str, record: ProcessRecord) -> float:
    """Of a process with all its children, also those that have ended meanwhile; the supervisor's are counted apart."""
    process = psutil.Process(record.pid)
    if name == SUPERVISOR:
        return _own_seconds(process)
    times = process.cpu_times()
    ended = times.children_user + times.children_system
    return ended + times.user + times.system + sum(_own_seconds(child) for child in process.children(recursive=True))


def _own_seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _postgresql_parts(pid: int) -> dict[str, float]:
    """Processor seconds by what PostgreSQL's processes call themselves: a role, or what they do."""
    parts: dict[str, float] = defaultdict(float)
    for process in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            words = " ".join(process.cmdline()).removeprefix("postgres: ").split()
            name = words[0] if len(words) > 2 and "(" in words[2] else " ".join(words[:3])
            parts[name] += _own_seconds(process)
    return parts


async def _answer(installation: Installation, number: int) -> _Waits:
    """Gives the first, second, … answer, of a detractor, and waits until it is counted and has its case."""
    async with installation.client() as client:
        await client.get(f"{installation.url('collector')}/healthz")  # so that the connection is not measured
        body = {"answer_id": str(uuid4()), "score": 3}
        (await client.post(f"{installation.url('collector')}/v1/answers", json=body)).raise_for_status()
        began = time.perf_counter()
        score, case = await asyncio.gather(
            _until(client, f"{installation.url('scorer')}/v1/nps", lambda found: found["n"] == number),
            _until(client, f"{installation.url('alerter')}/v1/cases", lambda found: len(found["cases"]) == number),
        )
    return _Waits(score - began, case - began)


async def _until(client: httpx.AsyncClient, url: str, seen: Callable[[Any], bool]) -> float:
    """When it was first seen."""
    try:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while not seen((await client.get(url)).raise_for_status().json()):
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise WrongOutcome(f"the answer given after the silence is not seen at {url}") from None
    return time.perf_counter()


async def _wait(step_name: str, seconds: float, progress: Progress) -> None:
    steps = 10
    for step in range(steps):
        progress(step_name, step / steps)
        await asyncio.sleep(seconds / steps)
