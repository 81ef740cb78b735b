"""Runs each contestant twice on one topic: undisturbed, and killed when half is counted."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import psutil

from benchmarks.answers import Answers
from benchmarks.environment import Environment
from benchmarks.peers.contestant import Contestant, Died, peer_running, scorer
from benchmarks.peers.installation import CannotInstall
from benchmarks.peers.oracle import Counts, Difference, by_segment_and_day, compare
from benchmarks.peers.peer import PEERS, Peer
from benchmarks.processor_time import seconds_of
from benchmarks.result import Measure, Result
from benchmarks.stream import Progress, publish
from deploy.local.errors import StackError
from shared.contracts.topics import ANSWERS
from shared.messaging.topics import ensure_topics

HEARBACK = "hearback"
NAMES = (HEARBACK, *(peer.name for peer in PEERS))
RUN_SECONDS = 2_400.0
"""A run that takes longer is ended and reported."""
QUIET_SECONDS = 6.0
"""After so long without progress the counts are compared; a run with the right ones is over."""
SILENT_SECONDS = 90.0
"""After so long without progress a run is over. Longer than a killed member's session and reading back its state."""
_POLL = 0.1

Begin = Callable[[int], AbstractAsyncContextManager[Contestant]]
"""Begins a run, given its number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """``seconds`` from the first answer to the last progress; processor seconds in that time; bytes.

    ``answers`` were counted in it. ``at_backends`` are processor seconds of Kafka and PostgreSQL, where these are ours.
    """

    answers: int
    seconds: float
    processor: float
    at_backends: float
    peak_memory: int
    progress: int
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """``at`` is the share of progress before the kill; ``lost`` the seconds more than undisturbed."""

    at: float
    lost: float
    difference: Difference


@dataclass(kw_only=True)
class _Watch:
    """What is seen of a run while it goes on."""

    running: Contestant
    backends: Mapping[str, int]
    limit: float = field(default_factory=lambda: time.monotonic() + RUN_SECONDS)
    progress: int = 0
    progressed_at: float = field(default_factory=time.monotonic)
    peak_memory: int = 0
    processor: float = 0.0
    at_backends: float = 0.0

    async def look(self) -> bool:
        """Whether there was progress since the last look. Raises Died when the process has ended or time is up."""
        self.running.require_alive()
        progress = await self.running.progress()
        if pid := self.running.pid:
            self.peak_memory = max(self.peak_memory, _memory_of(pid))
        if progress > self.progress:
            self.note_time()
            self.progress, self.progressed_at = progress, time.monotonic()
            return True
        if time.monotonic() > self.limit:
            raise Died(f"it was still busy after {RUN_SECONDS:.0f} s")
        return False

    def note_time(self) -> None:
        if pid := self.running.pid:
            with contextlib.suppress(psutil.NoSuchProcess):  # told of by the next look
                self.processor = seconds_of({"": pid})[""]
        self.at_backends = sum(seconds_of(self.backends).values())

    async def until_begun(self) -> int:
        """Returns how many answers may have been counted before this was seen."""
        while (counted := await self.running.begun()) is None:
            self.running.require_alive()
            if time.monotonic() - self.progressed_at > SILENT_SECONDS:
                raise Died(f"it took no answer in {SILENT_SECONDS:.0f} s")
            await asyncio.sleep(_POLL / 5)
        self.progressed_at = time.monotonic()
        return counted

    async def until_progress(self, wanted: int) -> None:
        while self.progress < wanted:
            await self.look()
            if time.monotonic() - self.progressed_at > SILENT_SECONDS:
                raise Died(f"it made no progress for {SILENT_SECONDS:.0f} s")
            await asyncio.sleep(_POLL)

    async def until_idle(self, expected: Counts) -> Difference:
        """Returns when the counts are the expected ones and stay so, or nothing has changed for long."""
        compared_at = 0
        while True:
            await self.look()
            still = time.monotonic() - self.progressed_at
            if still > QUIET_SECONDS and self.progress > compared_at:
                compared_at = self.progress
                difference = compare(await self.running.counts(), expected)
                if not difference.wrong:
                    return difference
            if still > SILENT_SECONDS:
                return compare(await self.running.counts(), expected)
            await asyncio.sleep(_POLL)


async def measure(on: Environment, progress: Progress, messages: int, only: Sequence[str] = ()) -> Result:
    """``only`` are some of NAMES; by default all. A peer that does not work is told of, and the others go on."""
    await ensure_topics(on.settings(), [ANSWERS])
    answers = Answers(count=messages)
    size = await publish(on, ANSWERS, answers, messages, progress)
    expected = by_segment_and_day(answers.expected)
    measures = [
        Measure("records", messages, ""),
        Measure("size of an answer", size, "bytes"),
        Measure("counts of a segment and day", len(expected), ""),
    ]
    checks: list[str] = []
    notes: list[str] = []

    async def compete(name: str, begin: Begin) -> None:
        progress(f"{name}, undisturbed", 0)
        undisturbed = await run_undisturbed(on, begin, messages, expected)
        measures.extend(_measures(name, undisturbed, messages))
        progress(f"{name}, killed", 0.5)
        killed = await run_killed(on, begin, undisturbed, expected)
        measures.append(Measure(f"{name}: lost by kill -9", killed.lost, "s"))
        told = (
            (f"{name}, undisturbed", undisturbed.difference),
            (f"{name}, kill -9 at {killed.at:.0%}", killed.difference),
        )
        for run, difference in told:
            (notes if difference.wrong else checks).append(f"{run}: {difference.text}")

    if not only or HEARBACK in only:
        await compete(HEARBACK, lambda _run: scorer(on))
    for peer in PEERS:
        if only and peer.name not in only:
            continue
        try:
            notes.append(f"{peer.name} {peer.version()}: {peer.guarantee}")
            progress(f"installing {peer.name}", 0)
            installed = await peer.install()
            await compete(peer.name, _begin(on, peer, installed))
        except (Died, CannotInstall, StackError) as error:
            notes.append(f"{peer.name} has no figures, or not all: {error}")
    return Result("peers", measures, checks, notes=notes)


def _begin(on: Environment, peer: Peer, installed: Sequence[str]) -> Begin:
    return lambda run: peer_running(on, peer, installed, run)


async def run_undisturbed(on: Environment, begin: Begin, messages: int, expected: Counts) -> Undisturbed:
    """Raises Died when the process ends or takes too long."""
    async with begin(1) as running:
        watch = _Watch(running=running, backends=on.pids)
        before = await watch.until_begun()
        began = time.monotonic()
        watch.note_time()
        processor, at_backends = watch.processor, watch.at_backends
        difference = await watch.until_idle(expected)
        if not watch.progress:
            raise Died("it took answers, but counted none")
        return Undisturbed(
            answers=messages - before,
            seconds=watch.progressed_at - began,
            processor=watch.processor - processor,
            at_backends=watch.at_backends - at_backends,
            peak_memory=watch.peak_memory,
            progress=watch.progress,
            difference=difference,
        )


async def run_killed(on: Environment, begin: Begin, undisturbed: Undisturbed, expected: Counts) -> Killed:
    """Raises Died when the process ends by itself or takes too long."""
    async with begin(2) as running:
        watch = _Watch(running=running, backends=on.pids)
        await watch.until_begun()
        began = time.monotonic()
        await watch.until_progress(undisturbed.progress // 2)
        at = watch.progress / undisturbed.progress
        await running.kill_and_start_again()
        difference = await watch.until_idle(expected)
        return Killed(at=at, lost=watch.progressed_at - began - undisturbed.seconds, difference=difference)


def _measures(name: str, run: Undisturbed, messages: int) -> list[Measure]:
    million = messages / 1e6
    return [
        Measure(f"{name}: answers counted", run.answers / run.seconds, "per second"),
        Measure(f"{name}: processor time", run.processor / million, "s per million answers"),
        Measure(f"{name}: the same, of Kafka and PostgreSQL", run.at_backends / million, "s per million answers"),
        Measure(f"{name}: peak resident memory", run.peak_memory / 2**20, "MiB"),
    ]


def _memory_of(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(int(one.memory_info().rss) for one in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0
