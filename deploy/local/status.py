"""The background supervisor's status file, rewritten at every step and read by the commands."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Literal

from deploy.local.ports import StackPorts
from deploy.local.programs import PROJECT
from deploy.local.supervisor import start_time

log = logging.getLogger(__name__)

DEFAULT_STATE = PROJECT / ".hearback"

READY = "ready"
"""The status of a part that is."""

Phase = Literal["starting", "ready", "failed", "stopping"]


@dataclass(slots=True, kw_only=True)
class Status:
    """`parts` maps each part of the stack to its status; `sentence` says why the start failed.

    `http_ports` has a port for each of the product's processes, replicas included, and for the mailbox.
    It includes the ports, because a later command may run with another HEARBACK_PORT_BASE. `ready_at` has when each
    part became ready, `began_at` when the supervisor began, both in seconds of the machine's monotonic clock.
    """

    pid: int
    started: int
    ports: StackPorts
    http_ports: dict[str, int] = field(default_factory=dict)
    phase: Phase = "starting"
    parts: dict[str, str] = field(default_factory=dict)
    sentence: str = ""
    began_at: float = 0.0
    ready_at: dict[str, float] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether the supervisor that wrote this is still running."""
        return start_time(self.pid) == self.started


class StatusFile:
    """Writes the status, inside the supervisor."""

    def __init__(self, state: Path, ports: StackPorts, http_ports: Mapping[str, int] | None = None) -> None:
        self._file = status_file(state)
        self._status = Status(
            pid=os.getpid(),
            started=start_time(os.getpid()) or 0,
            ports=ports,
            http_ports=dict(http_ports or {}),
            began_at=time.monotonic(),
        )

    def report(self, part: str, status: str) -> None:
        self._status.parts[part] = status
        if status == READY:
            self._status.ready_at[part] = time.monotonic()
        self._write()

    def enter(self, phase: Phase, sentence: str = "") -> None:
        self._status.phase = phase
        self._status.sentence = sentence
        self._write()

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        """A status that cannot be written (a full disk, say) must not keep the stack from starting or stopping."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(".new")
            draft.write_text(json.dumps(asdict(self._status), indent=1))
            draft.replace(self._file)
        except OSError as error:
            log.error("%s cannot be written: %s", self._file, error.strerror)


def status_file(state: Path) -> Path:
    return state / "status.json"


def read_status(state: Path) -> Status | None:
    """The last status, possibly of a dead supervisor; None when there is none."""
    try:
        content = json.loads(status_file(state).read_text())
        return Status(**{**content, "ports": StackPorts(**content["ports"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def status_of_local_stack() -> Status | None:
    """Of the stack that `make up` starts in this environment; see `read_status`."""
    return read_status(Path(os.environ.get("HEARBACK_STATE") or DEFAULT_STATE))


def ports_of_running_stack() -> tuple[int, ...]:
    """Of the stack that `make up` started; empty if none is running, and for the supervisor that is starting it."""
    status = status_of_local_stack()
    if status is None or not status.alive or status.pid == os.getpid():
        return ()
    return (*astuple(status.ports), *status.http_ports.values())
