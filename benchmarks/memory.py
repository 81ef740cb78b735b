"""Resident memory of every process of an idle stack, after its first start and after a later one.

The first start also makes the schemas and topics, for which modules are loaded that no later start needs.
"""

import asyncio
from dataclasses import dataclass

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
        progress("the first start", 0)
        first = await _started(installation)
        await installation.down()
        progress("a later start", 0.5)
        later = await _started(installation)
    finally:
        await asyncio.to_thread(installation.remove)
    return Result(
        "memory",
        (
            *(Measure(name, mebibytes, "MiB") for name, mebibytes in later.resident.items()),
            Measure(
                "total",
                later.total,
                "MiB",
                expected=f"at most {EXPECTED_MEBIBYTES:.0f} MiB",
                met=later.total <= EXPECTED_MEBIBYTES,
            ),
            Measure("total, without what several processes share", later.private, "MiB"),
            Measure("total after the first start, which also made the schemas", first.total, "MiB"),
            Measure(f"{SUPERVISOR}, which only `make up` has", later.supervisor, "MiB"),
        ),
        (f"{len(later.resident)} processes were ready, and none was restarted in {SETTLE_SECONDS:.0f} s, twice",),
    )


@dataclass(frozen=True, slots=True)
class _Memory:
    """In MiB: resident by process, without the supervisor; of all, what only one process has; the supervisor's."""

    resident: dict[str, float]
    private: float
    supervisor: float

    @property
    def total(self) -> float:
        return sum(self.resident.values())


async def _started(installation: Installation) -> _Memory:
    await installation.up()
    before = installation.processes()
    await asyncio.sleep(SETTLE_SECONDS)
    processes = {name: record.pid for name, record in before.items() if name != SUPERVISOR}
    memory = _Memory(
        {name: _resident(pid) / _MEBIBYTE for name, pid in processes.items()},
        sum(_private(pid) for pid in processes.values()) / _MEBIBYTE,
        psutil.Process(before[SUPERVISOR].pid).memory_info().rss / _MEBIBYTE,
    )
    if installation.processes() != before:
        raise WrongOutcome("a process died and was restarted while it should have been idle")
    await installation.require_ready(f"nothing happened for {SETTLE_SECONDS:.0f} s")
    return memory


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
