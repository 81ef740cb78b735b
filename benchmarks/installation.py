"""What `make up` starts, from the same command, in a folder and on ports of its own."""

import asyncio
import os
import secrets
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

import httpx

from benchmarks.environment import STATE
from benchmarks.result import WrongOutcome
from deploy.local.commands import remove_state
from deploy.local.errors import StackError
from deploy.local.ports import FREE_FROM, FREE_UNTIL, HOST, StackPorts, require_free
from deploy.local.readiness import answers_ready
from deploy.local.secrets_file import load_or_create
from deploy.local.status import Status, read_status
from deploy.local.supervisor import ProcessRecord, read_records

LIMIT_SECONDS = 120
PROCESSES = ("dispatcher", "collector", "scorer", "alerter", "courier", "mailbox")
SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Installation:
    state: Path
    base: int

    @classmethod
    def fresh(cls, name: str) -> "Installation":
        """With no data yet; to be removed by ``remove``."""
        installation = cls(STATE / name, _free_base())
        installation.remove()
        return installation

    @property
    def ports(self) -> StackPorts:
        return StackPorts.from_base(self.base)

    def url(self, process: str) -> str:
        return f"http://{HOST}:{getattr(self.ports, process)}"

    def client(self) -> httpx.AsyncClient:
        """With a key that has every scope."""
        key = load_or_create(self.state / "secrets.json").api_key
        return httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=10)

    async def up(self) -> float:
        """Seconds the command took, including the interpreter's start."""
        began = time.perf_counter()
        await self._command("up")
        seconds = time.perf_counter() - began
        await self.require_ready("`up` returned")
        return seconds

    async def down(self) -> None:
        await self._command("down")

    def remove(self) -> None:
        """Stops everything and deletes it."""
        remove_state(self.state)

    def status(self) -> Status:
        """The supervisor's; it must be running."""
        status = read_status(self.state)
        if status is None or not status.alive:
            raise WrongOutcome("the supervisor is not running")
        return status

    def processes(self) -> dict[str, ProcessRecord]:
        """All that are running, the supervisor last."""
        status = self.status()
        records = {record.name: record for record in read_records(self.state / "processes.json")}
        return records | {SUPERVISOR: ProcessRecord(name=SUPERVISOR, pid=status.pid, started=status.started)}

    async def require_ready(self, when: str) -> None:
        """Raises WrongOutcome, with these words, unless every `/readyz` returns 200."""
        ready = await asyncio.gather(*(answers_ready(getattr(self.ports, name)) for name in PROCESSES))
        if not all(ready):
            waiting = [name for name, is_ready in zip(PROCESSES, ready, strict=True) if not is_ready]
            raise WrongOutcome(f"{when}, but {', '.join(waiting)} was not ready")

    async def _command(self, name: str) -> None:
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


def _free_base() -> int:
    while True:
        base = FREE_FROM + secrets.randbelow(FREE_UNTIL - FREE_FROM - 100)
        ports = StackPorts.from_base(base)
        try:
            require_free({port.name: getattr(ports, port.name) for port in fields(ports)})
        except StackError:
            continue
        return base
