"""Keeps programs running: starts them, restarts those that die, and stops them in order.

Every process is recorded in a state file with its start time, so that the next supervisor can end the leftovers of a
crashed one without ever signalling an unrelated process that reuses a process id.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.programs import Program, spawn

FIRST_RESTART_DELAY = 0.25
MAX_RESTART_DELAY = 10.0
STABLE_AFTER = 30.0
"""Seconds a process has to live to reset its restart delay."""
DEATHS_WHILE_STARTING = 4
"""After this many, the supervisor gives up on a program that has never been ready."""
BAD_SETTING = 2
"""The exit status of a program with an invalid setting: retrying cannot help."""
LOG_BYTES = 20 * 1024 * 1024
"""A larger log file is rotated to `<name>.log.1`, so one program's logs take at most twice as much."""
POLL = 0.03
READY_POLL = 0.1
LOG_CHECK = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """A running process as recorded in the state file; `started` is in clock ticks since boot.

    `restarts` is how often this supervisor has started it again.
    """

    name: str
    pid: int
    started: int
    restarts: int = 0


class Supervisor:
    """Owns a set of running programs. Use it from the main thread's event loop."""

    def __init__(self, state_file: Path) -> None:
        self._state_file = state_file
        self._managed: dict[str, _ManagedProgram] = {}
        self._log_rotation: asyncio.Task[None] | None = None
        self._cannot_write_state = False

    @property
    def processes(self) -> dict[str, ProcessRecord]:
        """Running processes in the order they were started, without those being restarted."""
        return {name: managed.record for name, managed in self._managed.items() if managed.record is not None}

    @property
    def names(self) -> list[str]:
        """Names of all managed programs, in the order they were started."""
        return list(self._managed)

    async def start(self, program: Program) -> None:
        """Starts `program` and returns when it is ready. Raises StackError when it does not become ready."""
        self.launch(program)
        await self.ready(program.name)

    def launch(self, program: Program) -> None:
        """Starts `program` without waiting; from now on it is restarted whenever it dies."""
        if program.name in self._managed:
            raise StackError(f"{program.name} is already running.")
        if self._log_rotation is None:
            self._log_rotation = asyncio.create_task(self._rotate_logs())
        managed = _ManagedProgram(program, self._write_state)
        self._managed[program.name] = managed
        managed.task = asyncio.create_task(managed.keep_running())

    async def ready(self, name: str) -> None:
        """Returns when the program is ready. Raises StackError with its last log lines when it is not in time."""
        managed = self._managed[name]
        deadline = time.monotonic() + managed.program.ready_within
        while not await managed.is_ready():
            if managed.task is not None and managed.task.done():
                raise StackError(f"{name} cannot be started: {managed.task.exception()}")
            if managed.deaths_before_ready >= DEATHS_WHILE_STARTING:
                raise StackError(f"{name} exits right after starting: {managed.last_log_lines()}")
            if time.monotonic() > deadline:
                raise StackError(
                    f"{name} was not ready within {managed.program.ready_within:.0f} s; if the machine is busy, try "
                    f"again. Its log ends: {managed.last_log_lines()}"
                )
            await asyncio.sleep(READY_POLL)

    async def kill(self, name: str) -> int:
        """Sends SIGKILL and returns the process id once it is dead; it will be restarted."""
        return await self._managed[name].kill()

    async def stop(self, name: str) -> Program:
        """Stops a program gracefully, without restarting it. Returns it, so that it can be started again."""
        managed = self._managed.pop(name)
        await managed.stop()
        self._write_state()
        return managed.program

    async def stop_all(self, *groups: tuple[str, ...]) -> None:
        """Stops everything: the groups one after the other (each concurrently), then the rest, newest first."""
        for group in groups:
            await asyncio.gather(*(self.stop(name) for name in group if name in self._managed))
        for name in reversed(list(self._managed)):
            await self.stop(name)
        if self._log_rotation is not None:
            self._log_rotation.cancel()
            self._log_rotation = None
        with contextlib.suppress(OSError):
            self._state_file.unlink(missing_ok=True)

    def _write_state(self) -> None:
        """Nobody's life depends on the file: while it cannot be written (a full disk, say), all else goes on."""
        try:
            write_records(self._state_file, list(self.processes.values()))
        except OSError as error:
            if not self._cannot_write_state:
                log.error(
                    "%s cannot be written (%s): `make status` may be out of date; processes are still restarted",
                    self._state_file,
                    error.strerror,
                )
            self._cannot_write_state = True
        else:
            if self._cannot_write_state:
                log.info("%s can be written again", self._state_file)
            self._cannot_write_state = False

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK)
            for log_file in {managed.program.log_file for managed in self._managed.values()}:
                with contextlib.suppress(OSError):  # next time, when there is room again
                    await asyncio.to_thread(_rotate, log_file)


class _ManagedProgram:
    """One program that is kept running."""

    def __init__(self, program: Program, changed: Callable[[], None]) -> None:
        self.program = program
        self.record: ProcessRecord | None = None
        self.deaths_before_ready = 0
        self.task: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = changed
        self._was_ready = False
        self._restarts = 0

    async def keep_running(self) -> None:
        """Raises OSError only if the program could never be started."""
        name = self.program.name
        delay = FIRST_RESTART_DELAY
        while True:
            began = time.monotonic()
            try:
                self._process = spawn(self.program)
            except OSError as error:
                if not self._was_ready:
                    raise
                log.error("%s cannot be started (%s); next try in %.2g s", name, error, delay)
            else:
                self.record = ProcessRecord(
                    name=name,
                    pid=self._process.pid,
                    started=start_time(self._process.pid) or 0,
                    restarts=self._restarts,
                )
                self._changed()
                await _wait_until_dead(self._process)
                self.record = None
                self._changed()
                if not self._was_ready:
                    hopeless = self._process.returncode == BAD_SETTING
                    self.deaths_before_ready += DEATHS_WHILE_STARTING if hopeless else 1
                if time.monotonic() - began > STABLE_AFTER:
                    delay = FIRST_RESTART_DELAY
                self._restarts += 1
                log.warning(
                    "%s %s; restart %d, in %.2g s",
                    name,
                    how_it_ended(self._process.returncode),
                    self._restarts,
                    delay,
                )
            await asyncio.sleep(delay)
            delay = min(delay * 2, MAX_RESTART_DELAY)

    async def is_ready(self) -> bool:
        process = self._process
        if process is None or process.poll() is not None or not await self.program.ready():
            return False
        # The result only counts if the process has not been replaced in the meantime.
        if process is not self._process or process.poll() is not None:
            return False
        self._was_ready = True
        return True

    async def kill(self) -> int:
        while (process := self._process) is None or process.poll() is not None:  # noqa: ASYNC110  # being restarted
            await asyncio.sleep(POLL)
        process.kill()
        await _wait_until_dead(process)
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
            await asyncio.wait_for(_wait_until_dead(process), self.program.stop_within)
        except TimeoutError:
            process.kill()
            await _wait_until_dead(process)

    def last_log_lines(self) -> str:
        lines = dict.fromkeys(last_lines(self.program.log_file, 3))
        return f"{' / '.join(lines) or 'no log output'} (log: {self.program.log_file})"


def how_it_ended(status: int) -> str:
    """In words; `status` is as in `subprocess`, where a signal is negative."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"was ended by signal {-status}"


async def _wait_until_dead(process: "subprocess.Popen[bytes]") -> None:
    """Returns when the process has exited, and reaps it."""
    if process.poll() is None:
        with contextlib.suppress(OSError, AttributeError):  # not on every system
            await _told_of_death(os.pidfd_open(process.pid))
    while process.poll() is None:  # noqa: ASYNC110  # polling reaps it
        await asyncio.sleep(POLL)


async def _told_of_death(descriptor: int) -> None:
    """Returns when the process of a pidfd has exited, which costs nothing until then."""
    loop = asyncio.get_running_loop()
    died = asyncio.Event()
    try:
        loop.add_reader(descriptor, died.set)
        await died.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def last_lines(log_file: Path, count: int) -> list[str]:
    if not log_file.exists():
        return []
    with log_file.open("rb") as file:
        file.seek(max(0, log_file.stat().st_size - 4096))
        text = file.read().decode(errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()][-count:]


def _rotate(log_file: Path) -> None:
    """Copies and truncates: the writer has the file open for appending and continues at its new end."""
    if not log_file.exists() or log_file.stat().st_size <= LOG_BYTES:
        return
    log_file.with_suffix(".log.1").write_bytes(log_file.read_bytes())
    os.truncate(log_file, 0)


def read_records(state_file: Path) -> list[ProcessRecord]:
    """The recorded processes that are still running; empty when there is no state file."""
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
    """Ends the processes a crashed supervisor left running, identified by process id and start time; returns them."""
    leftovers = read_records(state_file)
    for record in leftovers:
        # SIGQUIT ends PostgreSQL with its children; after SIGKILL they would linger.
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
    """When the process started, in clock ticks since boot; None when there is none, or only a zombie.

    A killed process exists until its last thread is gone: until then it still holds its ports.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, threads, started = fields[0], int(fields[17]), int(fields[19])
    return None if state in (b"Z", b"X") and threads <= 1 else started
