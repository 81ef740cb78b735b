"""Seconds until `make up` returns with everything ready, cold and warm, and what they are spent on.

A cold start has no state folder: Kafka's storage is formatted, PostgreSQL's data folder and database, roles, schemas
and topics are created, and migrations run. Packages and jars are already installed, and the OS file cache may be warm.
A warm start reuses the folder after a clean stop, with an answer in it.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.installation import PROCESSES, Installation
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress

EXPECTED_WARM_SECONDS = 9.0
WARM_STARTS = 3
_BACKENDS = ("postgresql", "kafka")


async def measure(progress: Progress) -> Result:
    """Raises WrongOutcome when a process is not ready, or a warm start does not serve the answer."""
    installation = await asyncio.to_thread(Installation.fresh, "startup")
    try:
        progress("cold", 0)
        cold = await _start(installation)
        await _answer(installation)
        warm = []
        for number in range(WARM_STARTS):
            await installation.down()
            progress("warm", (number + 1) / (WARM_STARTS + 1))
            warm.append(await _start(installation))
            await _require_answer(installation)
    finally:
        await asyncio.to_thread(installation.remove)
    median = statistics.median(start.seconds for start in warm)
    return Result(
        "startup",
        (
            Measure("cold: no state; packages and jars installed", cold.seconds, "s"),
            Measure(
                f"warm, median of {WARM_STARTS}",
                median,
                "s",
                expected=f"at most {EXPECTED_WARM_SECONDS:.0f} s",
                met=median <= EXPECTED_WARM_SECONDS,
            ),
            Measure(f"warm, slowest of {WARM_STARTS}", max(start.seconds for start in warm), "s"),
            *(
                Measure(f"warm: {phase}, after", statistics.median(start.phases[phase] for start in warm), "s")
                for phase in warm[0].phases
            ),
        ),
        (
            f"{', '.join(PROCESSES)} returned 200 at /readyz each time the command returned",
            "each warm start served the answer given after the cold start",
        ),
    )


@dataclass(frozen=True, slots=True)
class _Start:
    """``phases`` has the seconds from the command's start to the end of each phase; several go on at the same time."""

    seconds: float
    phases: dict[str, float]


async def _start(installation: Installation) -> _Start:
    began_at = time.monotonic()
    seconds = await installation.up()
    status = installation.status()
    ready_at = {name: at - began_at for name, at in status.ready_at.items()}
    return _Start(
        seconds,
        {
            "the supervisor runs": status.began_at - began_at,
            **{f"{name} is ready": ready_at[name] for name in _BACKENDS},
            "the first of the five processes is ready": min(_of_processes(ready_at)),
            "the last one is ready": max(_of_processes(ready_at)),
        },
    )


def _of_processes(ready_at: dict[str, float]) -> Sequence[float]:
    return [at for name, at in ready_at.items() if name in PROCESSES and name != "mailbox"]


async def _answer(installation: Installation) -> None:
    async with installation.client() as client:
        body = {"answer_id": "before the restart", "score": 9}
        (await client.post(f"{installation.url('collector')}/v1/answers", json=body)).raise_for_status()
    await _require_answer(installation)


async def _require_answer(installation: Installation) -> None:
    url = f"{installation.url('scorer')}/v1/nps"
    async with installation.client() as client, asyncio.timeout(20):
        while (counted := (await client.get(url)).raise_for_status().json()["n"]) < 1:
            await asyncio.sleep(0.05)
    if counted != 1:
        raise WrongOutcome(f"one answer was given and {counted} are counted")
