"""The commands `up`, `down` and `status`: start the background supervisor and communicate through its files."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.local.errors import StackError
from deploy.local.install_folder import remove_data
from deploy.local.ports import accepts_connections
from deploy.local.programs import BACKENDS, PROJECT
from deploy.local.progress import Display
from deploy.local.readiness import why_not_ready
from deploy.local.status import Status, read_status, status_file
from deploy.local.supervisor import end_leftovers, last_lines, read_records, start_time

POLL = 0.05
STOP_WITHIN = 60.0
COME_BACK_WITHIN = 90.0
"""Seconds the supervisor has to restart what died, including the backends."""

BroughtUp = Literal["started", "came back", "was up"]


@contextmanager
def brought_up(state: Path, display: Display) -> Iterator[BroughtUp]:
    """Starts the stack in the background; the block is entered when it is ready.

    A running stack is left alone, except that this waits for processes that are being restarted.
    Raises StackError when the start fails and KeyboardInterrupt after Ctrl-C, in the block too; in both cases nothing
    keeps running. Also raises StackError when a process of a running stack does not come back; the others keep running.
    """
    state.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(state):
        supervisor = None
        try:
            status = read_status(state)
            if status and status.alive and status.phase == "ready":
                yield _see_all_answer(state, status, display)
                return
            if status and status.alive and status.phase == "stopping":
                _wait_until_gone(status)
                status = None
            if not (status and status.alive):
                status_file(state).unlink(missing_ok=True)
                with _ctrl_c_deferred():  # an interrupt must not leave a started supervisor behind
                    supervisor = _start_supervisor(state)
            _follow(state, supervisor, display)
            yield "started"
        except StackError:
            if supervisor:
                supervisor.wait(STOP_WITHIN)
            raise
        except KeyboardInterrupt:
            with _ctrl_c_deferred():
                if supervisor:
                    _end(supervisor)
                _end_everything(state)
            raise


def take_down(state: Path) -> bool:
    """Stops the stack and returns when no process is left; False when nothing was running."""
    stopped = _end_everything(state)
    (state / "env").unlink(missing_ok=True)
    return stopped


def _end_everything(state: Path) -> bool:
    """Whether something was running. The file `env` stays: a start that was interrupted may not have written it."""
    status = read_status(state)
    stopped = False
    if status and status.alive:
        os.kill(status.pid, signal.SIGTERM)
        _wait_until_gone(status)
        stopped = True
    else:
        _require_unused(state)
    leftovers = end_leftovers(state / "processes.json")
    status_file(state).unlink(missing_ok=True)
    return stopped or bool(leftovers)


def remove_state(state: Path) -> None:
    """Stops the stack and deletes its data, logs and passwords, including those of the demo and the replay.

    Raises StackError, and deletes nothing, when one of those is still running.
    """
    take_down(state)
    stacks = [lock.parent for lock in (state / "lock", *state.glob("*/lock"))]
    for stack in stacks:
        _require_unused(stack)
    for stack in stacks:
        remove_data(stack / "postgresql")
    shutil.rmtree(state, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process as shown by `status`; `memory` is resident, in MB, `restarts` since `make up`.

    `reason` says why it is not ready; empty when it is. `pid` is None while it is being restarted.
    """

    name: str
    pid: int | None
    memory: int
    restarts: int
    reason: str

    @property
    def ready(self) -> bool:
        return not self.reason


async def inspect(state: Path) -> list[Part]:
    """Every process that should be running in `state`, and why it is not ready now; empty when nothing is running."""
    status = read_status(state)
    if status is None or not status.alive:
        return []
    records = {record.name: record for record in read_records(state / "processes.json")}
    # Before it is started, a process has no part in the status.
    wanted = [name for name in (*BACKENDS, *status.http_ports) if name in records or name in status.parts]

    async def part(name: str) -> Part | None:
        record = records.get(name)
        if record is None:
            if status.parts[name].startswith("using "):
                return None
            why = f"is not running; {state / 'logs' / name}.log says why"
            return Part(name=name, pid=None, memory=0, restarts=0, reason=why)
        if name in BACKENDS:
            ready = await accepts_connections(getattr(status.ports, name))
            reason = "" if ready else "does not accept connections"
        else:
            reason = await why_not_ready(status.http_ports[name])
        return Part(
            name=name, pid=record.pid, memory=_resident_megabytes(record.pid), restarts=record.restarts, reason=reason
        )

    return [found for found in await asyncio.gather(*(part(name) for name in wanted)) if found is not None]


def why_nothing_runs(state: Path) -> str:
    """A sentence for when `inspect` found nothing."""
    status = read_status(state)
    if status is None:
        return "Nothing is running. `make up` starts it."
    if status.alive:
        return "Nothing is running; the stack is stopping." if status.phase == "stopping" else "Nothing is running yet."
    if status.phase == "failed":
        return f"Nothing is running; the last start failed: {status.sentence}"
    return (
        f"Nothing is running: the supervisor ended unexpectedly. `make up` starts it again; "
        f"{state / 'logs' / 'supervisor.log'} may say why it ended."
    )


def other_replicas(state: Path, wanted: Collection[str]) -> str:
    """Says how the running stack's processes differ from those wanted now; empty when they do not."""
    status = read_status(state)
    running = set(status.http_ports) - {"mailbox"} if status else set()
    if not running or running == set(wanted):
        return ""
    parts = [
        f"{word} {', '.join(sorted(names))}"
        for word, names in (("without", set(wanted) - running), ("with", running - set(wanted)))
        if names
    ]
    return f"It runs {' and '.join(parts)}: `make down`, then `make up`, to change that."


def _start_supervisor(state: Path) -> "subprocess.Popen[bytes]":
    log_file = state / "logs" / "supervisor.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.local.daemon", str(state)],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _end(supervisor: "subprocess.Popen[bytes]") -> None:
    """Also works before it has written its status: it has not started anything yet."""
    supervisor.terminate()
    try:
        supervisor.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        supervisor.kill()  # the kernel ends its children
        supervisor.wait()


def _follow(state: Path, supervisor: "subprocess.Popen[bytes] | None", display: Display) -> None:
    with display:
        while True:
            status = read_status(state)
            if status:
                display.show(status.parts)
            if status and status.phase == "ready":
                return
            if status and status.phase == "failed":
                raise StackError(status.sentence)
            gone = supervisor.poll() is not None if supervisor else not (status and status.alive)
            # Its last status may have been written after it was read above.
            if gone and not ((last := read_status(state)) and last.sentence):
                words = " / ".join(last_lines(state / "logs" / "supervisor.log", 2)) or "no log output"
                raise StackError(f"The stack's supervisor ended while starting: {words}")
            time.sleep(POLL)


def _see_all_answer(state: Path, status: Status, display: Display) -> BroughtUp:
    """Returns when everything that was ready before is ready now. Raises StackError when something does not return."""
    deadline = time.monotonic() + COME_BACK_WITHIN
    wanted = {name for name, doing in status.parts.items() if doing == "ready"}
    brought_up: BroughtUp = "was up"
    with display:
        while missing := wanted - {part.name for part in asyncio.run(inspect(state)) if part.ready}:
            brought_up = "came back"
            display.show({name: "coming back" if name in missing else "ready" for name in sorted(wanted)})
            if time.monotonic() > deadline:
                raise StackError(
                    f"Not up: {', '.join(sorted(missing))} did not come back within {COME_BACK_WITHIN:.0f} s. "
                    f"See {state / 'logs'} for the reason; `make down`, then `make up` restarts everything."
                )
            time.sleep(POLL)
    return brought_up


def _wait_until_gone(status: Status) -> None:
    deadline = time.monotonic() + STOP_WITHIN
    while status.alive:
        if time.monotonic() > deadline:
            # The kernel then ends its children, too.
            os.kill(status.pid, signal.SIGKILL)
        time.sleep(POLL)


@contextmanager
def _one_at_a_time(state: Path) -> Iterator[None]:
    """Serialises concurrent `make up`: the second one waits for the first and then finds the stack up."""
    with (state / "up.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _ctrl_c_deferred() -> Iterator[None]:
    """Ctrl-C pressed in the block takes effect at the end of the block."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and callable(before):  # not callable if SIGINT is ignored, as in a shell's background job
        before(signal.SIGINT, None)


def _require_unused(state: Path) -> None:
    try:
        with (state / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StackError(
            f"{state} is in use by a stack in another terminal (`make demo`, `make replay` or a test): "
            "end that one with Ctrl-C."
        ) from error


def _resident_megabytes(pid: int) -> int:
    if start_time(pid) is None:
        return 0
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // (1024 * 1024)
