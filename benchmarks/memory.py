"""Resident memory of every process of an idle stack."""

import asyncio

import psutil

from benchmarks.installation import SUPERVISOR, Installation
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress

EXPECTED_MEBIBYTES = 850.0
SETTLE_SECONDS = 15.0
"""After everything is ready: lets first rounds, first fetches and statement caches settle."""
_MEBIBYTE = 2**20


async def measure(progress: Progress) -> Result:
    """Uses its own fresh stack. Raises WrongOutcome when a process was restarted or is not ready."""
    installation = await asyncio.to_thread(Installation.fresh, "memory")
    try:
        progress("starting the stack", 0)
        await installation.up()
        before = installation.processes()
        progress("settling", 0.3)
        await asyncio.sleep(SETTLE_SECONDS)
        supervisor = psutil.Process(before.pop(SUPERVISOR).pid).memory_info().rss / _MEBIBYTE
        memory = {name: _resident(record.pid) / _MEBIBYTE for name, record in before.items()}
        private = {name: _private(record.pid) / _MEBIBYTE for name, record in before.items()}
        if before != {name: record for name, record in installation.processes().items() if name != SUPERVISOR}:
            raise WrongOutcome("a process died and was restarted while it should have been idle")
        await installation.require_ready(f"nothing happened for {SETTLE_SECONDS:.0f} s")
    finally:
        await asyncio.to_thread(installation.remove)
    total = sum(memory.values())
    return Result(
        "memory",
        (
            *(Measure(name, resident, "MiB") for name, resident in memory.items()),
            Measure(
                "total",
                total,
                "MiB",
                expected=f"at most {EXPECTED_MEBIBYTES:.0f} MiB",
                met=total <= EXPECTED_MEBIBYTES,
            ),
            Measure("total, without what several processes share", sum(private[name] for name in memory), "MiB"),
            Measure(f"{SUPERVISOR}, which only `make up` has", supervisor, "MiB"),
        ),
        (f"{len(memory)} processes were ready, and none was restarted in {SETTLE_SECONDS:.0f} s",),
    )


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _resident(pid: int) -> int:
    """In bytes. PostgreSQL's processes share pages; proportional set size counts shared pages once."""
    family = _family(pid)
    if len(family) == 1:
        return int(family[0].memory_info().rss)
    return sum(int(process.memory_full_info().pss) for process in family)


def _private(pid: int) -> int:
    """In bytes; what only this process, or one of its children, has in memory."""
    return sum(int(process.memory_full_info().uss) for process in _family(pid))
