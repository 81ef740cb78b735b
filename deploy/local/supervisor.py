"""Keeps programs running: starts them, starts a died one again, stops them in order.

Every process is written to a state file with its start time, so that the next supervisor can end
what a crashed one left behind without ever touching a stranger that got the same process id.
"""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.programs import Program, spawn

FIRST_RESTART_AFTER = 0.25
RESTART_AT_MOST_AFTER = 10.0
STABLE_AFTER = 30.0
"""Seconds a process has to live for its next death to count as the first one again."""
DEATHS_WHILE_STARTING = 4
"""After so many, a program that has never been ready is given up."""
BAD_SETTING = 2
"""The exit status of a program that was told nonsense: trying again cannot help."""
LOG_BYTES = 20 * 1024 * 1024
"""A log file is moved to `<name>.log.1` beyond this size; so one program's logs take twice as much at most."""
POLL = 0.03
READY_POLL = 0.1
LOG_CHECK = 5.0


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A running process as the state file tells it; `started` is in clock ticks since the machine's boot."""

    name: str
    pid: int
    started: int


class Supervisor:
    """Owns a set of running programs. Use it from the main thread's event loop."""

    def __init__(self, state_file: Path) -> None:
        self._state_file = state_file
        self._kept: dict[str, _Kept] = {}
        self._log_keeper: asyncio.Task[None] | None = None

    @property
    def processes(self) -> dict[str, ProcessRecord]:
        """What runs at this moment, in the order of starting; not what is just being started again."""
        return {name: kept.record for name, kept in self._kept.items() if kept.record is not None}

    @property
    def names(self) -> list[str]:
        """What is kept running, in the order of starting."""
        return list(self._kept)

    async def start(self, program: Program) -> None:
        """Starts `program` and returns when it is ready. Raises StackError when it does not get there."""
        self.launch(program)
        await self.ready(program.name)

    def launch(self, program: Program) -> None:
        """Starts `program` without waiting; from now on it is started again whenever it dies."""
        if program.name in self._kept:
            raise StackError(f"{program.name} is already running.")
        if self._log_keeper is None:
            self._log_keeper = asyncio.create_task(self._keep_logs_small())
        kept = _Kept(program, self._write_state)
        self._kept[program.name] = kept
        kept.task = asyncio.create_task(kept.keep_running())

    async def ready(self, name: str) -> None:
        """Returns when the program is ready. Raises StackError with its last words when it is not in time."""
        kept = self._kept[name]
        deadline = time.monotonic() + kept.program.ready_within
        while not await kept.is_ready():
            if kept.task is not None and kept.task.done():
                raise StackError(f"{name} cannot be started: {kept.task.exception()}")
            if kept.deaths_before_ready >= DEATHS_WHILE_STARTING:
                raise StackError(f"{name} stops as soon as it is started: {kept.last_words()}")
            if time.monotonic() > deadline:
                raise StackError(f"{name} was not ready within {kept.program.ready_within:.0f} s: {kept.last_words()}")
            await asyncio.sleep(READY_POLL)

    async def kill(self, name: str) -> int:
        """Sends SIGKILL and returns the process id once it is dead; it will be started again."""
        return await self._kept[name].kill()

    async def stop(self, name: str) -> Program:
        """Stops a program in its own way, and for good. Returns it, for whoever wants to start it again."""
        kept = self._kept.pop(name)
        await kept.stop()
        self._write_state()
        return kept.program

    async def stop_all(self, *groups: tuple[str, ...]) -> None:
        """Stops everything: the named groups one after the other (each at once), then what is left, newest first."""
        for group in groups:
            await asyncio.gather(*(self.stop(name) for name in group if name in self._kept))
        for name in reversed(list(self._kept)):
            await self.stop(name)
        if self._log_keeper is not None:
            self._log_keeper.cancel()
            self._log_keeper = None
        self._state_file.unlink(missing_ok=True)

    def _write_state(self) -> None:
        write_records(self._state_file, list(self.processes.values()))

    async def _keep_logs_small(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK)
            for log_file in {kept.program.log_file for kept in self._kept.values()}:
                await asyncio.to_thread(_rotate, log_file)


class _Kept:
    """One program that is kept running."""

    def __init__(self, program: Program, changed: Callable[[], None]) -> None:
        self.program = program
        self.record: ProcessRecord | None = None
        self.deaths_before_ready = 0
        self.task: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = changed
        self._was_ready = False

    async def keep_running(self) -> None:
        delay = FIRST_RESTART_AFTER
        while True:
            began = time.monotonic()
            self._process = spawn(self.program)
            self.record = ProcessRecord(self.program.name, self._process.pid, start_time(self._process.pid) or 0)
            self._changed()
            await _dead(self._process)
            self.record = None
            self._changed()
            if not self._was_ready:
                hopeless = self._process.returncode == BAD_SETTING
                self.deaths_before_ready += DEATHS_WHILE_STARTING if hopeless else 1
            if time.monotonic() - began > STABLE_AFTER:
                delay = FIRST_RESTART_AFTER
            await asyncio.sleep(delay)
            delay = min(delay * 2, RESTART_AT_MOST_AFTER)

    async def is_ready(self) -> bool:
        process = self._process
        if process is None or process.poll() is not None or not await self.program.ready():
            return False
        # The answer counts only for the process that is still the current one.
        if process is not self._process or process.poll() is not None:
            return False
        self._was_ready = True
        return True

    async def kill(self) -> int:
        while (process := self._process) is None or process.poll() is not None:  # noqa: ASYNC110 (being started again)
            await asyncio.sleep(POLL)
        process.kill()
        await _dead(process)
        return process.pid

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        process = self._process
        self.record = None
        if process is None or process.poll() is not None:
            return
        process.send_signal(self.program.stop_signal)
        try:
            await asyncio.wait_for(_dead(process), self.program.stop_within)
        except TimeoutError:
            process.kill()
            await _dead(process)

    def last_words(self) -> str:
        lines = dict.fromkeys(last_lines(self.program.log_file, 3))
        return f"{' / '.join(lines) or 'it wrote no log'} (log: {self.program.log_file})"


async def _dead(process: "subprocess.Popen[bytes]") -> None:
    """Returns when the process has ended, and clears away its remains."""
    while process.poll() is None:  # noqa: ASYNC110 (only asking clears them away)
        await asyncio.sleep(POLL)


def last_lines(log_file: Path, count: int) -> list[str]:
    if not log_file.exists():
        return []
    with log_file.open("rb") as file:
        file.seek(max(0, log_file.stat().st_size - 4096))
        text = file.read().decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]


def _rotate(log_file: Path) -> None:
    """Copies and empties: the writer holds the file open for appending, and goes on at its new end."""
    if not log_file.exists() or log_file.stat().st_size <= LOG_BYTES:
        return
    log_file.with_suffix(".log.1").write_bytes(log_file.read_bytes())
    os.truncate(log_file, 0)


def read_records(state_file: Path) -> list[ProcessRecord]:
    """What the last supervisor wrote, of the processes that still run; none when there is no state file."""
    try:
        entries = json.loads(state_file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    records = [ProcessRecord(**entry) for entry in entries]
    return [record for record in records if start_time(record.pid) == record.started]


def write_records(state_file: Path, records: list[ProcessRecord]) -> None:
    state_file.parent.mkdir(parents=True, exist_ok=True)
    draft = state_file.with_suffix(".new")
    draft.write_text(json.dumps([asdict(record) for record in records], indent=1))
    draft.replace(state_file)


def end_leftovers(state_file: Path, within: float = 10.0) -> list[ProcessRecord]:
    """Ends what a crashed supervisor left running, known by process id and start time. Returns what it ended."""
    leftovers = read_records(state_file)
    for record in leftovers:
        # SIGQUIT ends PostgreSQL with its children; SIGKILL would leave those to find out by themselves.
        _signal(record, signal.SIGQUIT if record.name == "postgresql" else signal.SIGKILL)
    deadline = time.monotonic() + within
    for record in leftovers:
        while start_time(record.pid) == record.started:
            if time.monotonic() > deadline:
                _signal(record, signal.SIGKILL)
            time.sleep(POLL)
    state_file.unlink(missing_ok=True)
    return leftovers


def _signal(record: ProcessRecord, number: signal.Signals) -> None:
    if start_time(record.pid) == record.started:
        os.kill(record.pid, number)


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is none, or only its remains.

    A killed one is there until its last thread is gone: until then it still holds its ports.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, threads, started = fields[0], int(fields[17]), int(fields[19])
    return None if state in (b"Z", b"X") and threads <= 1 else started
