"""Seconds until `make up` returns with everything ready, cold and warm.

A cold start has no state folder: Kafka's storage is formatted, PostgreSQL's data folder and database, roles, schemas
and topics are created, and migrations run. Packages and jars are already installed, and the OS file cache may be warm.
A warm start reuses the folder after a clean stop, with an answer in it.
"""

import asyncio
import os
import secrets
import statistics
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

import httpx

from benchmarks.environment import STATE
from benchmarks.result import Measure, Result, WrongOutcome
from benchmarks.stream import Progress
from deploy.local.commands import remove_state
from deploy.local.errors import StackError
from deploy.local.ports import FREE_FROM, FREE_UNTIL, HOST, StackPorts, require_free
from deploy.local.readiness import answers_ready
from deploy.local.secrets_file import load_or_create

EXPECTED_WARM_SECONDS = 15.0
WARM_STARTS = 3
LIMIT_SECONDS = 120
PROCESSES = ("dispatcher", "collector", "scorer", "alerter", "courier", "mailbox")


async def measure(progress: Progress) -> Result:
    """Raises WrongOutcome when a process is not ready, or a warm start does not serve the answer."""
    installation = _Installation(STATE / "startup", _free_base())
    await asyncio.to_thread(remove_state, installation.state)
    try:
        progress("cold", 0)
        cold = await installation.up()
        await installation.answer()
        warm = []
        for number in range(WARM_STARTS):
            await installation.command("down")
            progress("warm", (number + 1) / (WARM_STARTS + 1))
            warm.append(await installation.up())
            await installation.require_answer()
    finally:
        await asyncio.to_thread(remove_state, installation.state)
    slowest = max(warm)
    return Result(
        "startup",
        (
            Measure("cold: no state; packages and jars installed", cold, "s"),
            Measure(f"warm, median of {WARM_STARTS}", statistics.median(warm), "s"),
            Measure(
                f"warm, slowest of {WARM_STARTS}",
                slowest,
                "s",
                expected=f"at most {EXPECTED_WARM_SECONDS:.0f} s",
                met=slowest <= EXPECTED_WARM_SECONDS,
            ),
        ),
        (
            f"{', '.join(PROCESSES)} returned 200 at /readyz each time the command returned",
            "each warm start served the answer given after the cold start",
        ),
    )


@dataclass(frozen=True, slots=True)
class _Installation:
    state: Path
    base: int

    async def up(self) -> float:
        """Seconds the command took, including the interpreter's start."""
        began = time.perf_counter()
        await self.command("up")
        seconds = time.perf_counter() - began
        ports = StackPorts.from_base(self.base)
        ready = await asyncio.gather(*(answers_ready(getattr(ports, name)) for name in PROCESSES))
        if not all(ready):
            waiting = [name for name, is_ready in zip(PROCESSES, ready, strict=True) if not is_ready]
            raise WrongOutcome(f"`up` returned before {', '.join(waiting)} was ready")
        return seconds

    async def command(self, name: str) -> None:
        """Runs `python -m deploy.local NAME` with this folder and these ports, and its own backends."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HEARBACK_")}
        if cache := os.environ.get("HEARBACK_CACHE_DIR"):
            environment["HEARBACK_CACHE_DIR"] = cache
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.local", name, "--state", str(self.state),
            env={**environment, "HEARBACK_PORT_BASE": str(self.base)},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                output, _ = await process.communicate()
        except TimeoutError:
            process.terminate()
            raise StackError(f"`{name}` did not end within {LIMIT_SECONDS} s") from None
        if process.returncode != 0:
            raise StackError(f"`{name}` failed: {output.decode(errors='replace').strip()}")

    async def answer(self) -> None:
        async with self._client() as client:
            url = f"http://{HOST}:{StackPorts.from_base(self.base).collector}/v1/answers"
            (await client.post(url, json={"answer_id": "before the restart", "score": 9})).raise_for_status()
        await self.require_answer()

    async def require_answer(self) -> None:
        url = f"http://{HOST}:{StackPorts.from_base(self.base).scorer}/v1/nps"
        async with self._client() as client, asyncio.timeout(20):
            while (counted := (await client.get(url)).raise_for_status().json()["n"]) < 1:
                await asyncio.sleep(0.05)
        if counted != 1:
            raise WrongOutcome(f"one answer was given and {counted} are counted")

    def _client(self) -> httpx.AsyncClient:
        key = load_or_create(self.state / "secrets.json").api_key
        return httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=10)


def _free_base() -> int:
    while True:
        base = FREE_FROM + secrets.randbelow(FREE_UNTIL - FREE_FROM - 100)
        ports = StackPorts.from_base(base)
        try:
            require_free({port.name: getattr(ports, port.name) for port in fields(ports)})
        except StackError:
            continue
        return base
