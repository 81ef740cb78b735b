"""A program of the stack: what to run, and how to start it so that it never outlives its supervisor."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).parents[2]

BACKENDS = ("kafka", "postgresql")

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


async def _always_ready() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How one process is run. `ready` is polled until it returns True."""

    name: str
    command: tuple[str, ...]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = PROJECT
    """Its working directory."""
    user: str | None = None
    ready: Callable[[], Awaitable[bool]] = _always_ready
    ready_within: float = 180.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 20.0
    orphan_signal: signal.Signals = signal.SIGKILL
    """The signal the kernel sends the process when the supervisor dies without stopping it."""


def spawn(program: Program) -> "subprocess.Popen[bytes]":
    """Starts `program` in its own session, so that Ctrl-C in a terminal reaches only the supervisor.

    Call it from the main thread: the kernel ties the child's life to the calling thread.
    """
    program.log_file.parent.mkdir(parents=True, exist_ok=True)
    with program.log_file.open("ab") as log:
        return subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=program.folder,
            env=_environment(program.environment),
            start_new_session=True,
            user=program.user,
            group=program.user,
            extra_groups=[] if program.user else None,
            # Safe with threads: between fork and exec it only makes system calls and takes no lock.
            preexec_fn=_die_with(os.getpid(), program.orphan_signal),
        )


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without its Hearback settings; a program gets only its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEARBACK_")}
    return {**inherited, "PYTHONUNBUFFERED": "1", **own}


def _die_with(parent: int, orphan_signal: signal.Signals) -> Callable[[], None]:
    def request_death_signal() -> None:
        if hasattr(_libc, "prctl"):
            _libc.prctl(_PR_SET_PDEATHSIG, int(orphan_signal))
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return request_death_signal
