"""Resident memory of every process of a stack nobody uses, and the processor time it takes doing nothing."""

import asyncio
import time
from dataclasses import dataclass

import psutil

from benchmarks.environment import STATE
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress
from deploy.local.commands import remove_state
from deploy.local.ports import StackPorts
from deploy.local.stack import Stack

SETTLE_SECONDS = 5.0
"""After everything is ready: first ticks, first fetches, caches of the first statements."""
REST_SECONDS = 10.0


async def measure(progress: Progress) -> Result:
    """A fresh stack of its own. Raises WrongOutcome when a process was started again meanwhile or is not ready."""
    state = STATE / "memory"
    await asyncio.to_thread(remove_state, state)
    progress("starting the stack", 0)
    try:
        async with Stack(state=state, ports=StackPorts.free()) as stack:
            before = stack.running
            await _wait("settling", SETTLE_SECONDS, progress)
            busy = {name: _processor_seconds(record.pid) for name, record in before.items()}
            began = time.perf_counter()
            await _wait("at rest", REST_SECONDS, progress)
            seconds = time.perf_counter() - began
            usage = {
                name: _Usage(_resident(record.pid), (_processor_seconds(record.pid) - busy[name]) / seconds)
                for name, record in before.items()
            }
            if stack.running != before:
                raise WrongOutcome("a process died and was started again while it should have been at rest")
            async with asyncio.timeout(10):
                await stack.ready()
    finally:
        await asyncio.to_thread(remove_state, state)
    return Result(
        "memory",
        (
            *(Measure(name, one.memory / 2**20, "MiB") for name, one in usage.items()),
            Measure("all together", sum(one.memory for one in usage.values()) / 2**20, "MiB"),
            Measure("processor at rest, all together", sum(one.processor for one in usage.values()) * 100, "% of one"),
        ),
        (f"{len(usage)} processes were ready, and none was started again in {SETTLE_SECONDS + REST_SECONDS:.0f} s",),
    )


@dataclass(frozen=True, slots=True)
class _Usage:
    """Bytes, and processor seconds a second."""

    memory: int
    processor: float


async def _wait(doing: str, seconds: float, progress: Progress) -> None:
    steps = 20
    for step in range(steps):
        progress(doing, step / steps)
        await asyncio.sleep(seconds / steps)


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _resident(pid: int) -> int:
    """Bytes. PostgreSQL is many processes with the same pages in each: those are shared out, so they count once."""
    family = _family(pid)
    if len(family) == 1:
        return int(family[0].memory_info().rss)
    return sum(int(process.memory_full_info().pss) for process in family)


def _processor_seconds(pid: int) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in _family(pid)))
