"""Resident memory and CPU time of every process of an idle stack."""

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
"""After everything is ready: lets first ticks, first fetches and statement caches settle."""
IDLE_SECONDS = 10.0


async def measure(progress: Progress) -> Result:
    """Uses its own fresh stack. Raises WrongOutcome when a process was restarted or is not ready."""
    state = STATE / "memory"
    await asyncio.to_thread(remove_state, state)
    progress("starting the stack", 0)
    try:
        async with Stack(state=state, ports=StackPorts.free()) as stack:
            before = stack.running
            await _wait("settling", SETTLE_SECONDS, progress)
            cpu_before = {name: _cpu_seconds(record.pid) for name, record in before.items()}
            began = time.perf_counter()
            await _wait("idle", IDLE_SECONDS, progress)
            seconds = time.perf_counter() - began
            usage = {
                name: _Usage(_resident(record.pid), (_cpu_seconds(record.pid) - cpu_before[name]) / seconds)
                for name, record in before.items()
            }
            if stack.running != before:
                raise WrongOutcome("a process died and was restarted while it should have been idle")
            async with asyncio.timeout(10):
                await stack.ready()
    finally:
        await asyncio.to_thread(remove_state, state)
    return Result(
        "memory",
        (
            *(Measure(name, one.memory / 2**20, "MiB") for name, one in usage.items()),
            Measure("total", sum(one.memory for one in usage.values()) / 2**20, "MiB"),
            Measure("CPU when idle, total", sum(one.cpu for one in usage.values()) * 100, "% of one core"),
        ),
        (f"{len(usage)} processes were ready, and none was restarted in {SETTLE_SECONDS + IDLE_SECONDS:.0f} s",),
    )


@dataclass(frozen=True, slots=True)
class _Usage:
    """Memory in bytes, and CPU seconds per second."""

    memory: int
    cpu: float


async def _wait(step_name: str, seconds: float, progress: Progress) -> None:
    steps = 20
    for step in range(steps):
        progress(step_name, step / steps)
        await asyncio.sleep(seconds / steps)


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _resident(pid: int) -> int:
    """In bytes. PostgreSQL's processes share pages; proportional set size counts shared pages once."""
    family = _family(pid)
    if len(family) == 1:
        return int(family[0].memory_info().rss)
    return sum(int(process.memory_full_info().pss) for process in family)


def _cpu_seconds(pid: int) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in _family(pid)))
