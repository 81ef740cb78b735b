"""What the supervisor in the background tells those who wait for it: a small file, written anew with every step."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from deploy.local.ports import StackPorts
from deploy.local.supervisor import start_time

Phase = Literal["starting", "ready", "failed", "stopping"]


@dataclass(slots=True)
class Status:
    """`parts` says of each part of the stack what it is doing; `sentence` why the start failed.

    `ports` are told too: whoever asks later may have another HEARBACK_PORT_BASE.
    """

    pid: int
    started: int
    ports: StackPorts
    phase: Phase = "starting"
    parts: dict[str, str] = field(default_factory=dict)
    sentence: str = ""

    @property
    def alive(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        return start_time(self.pid) == self.started


class StatusFile:
    """The writing side, inside the supervisor."""

    def __init__(self, state: Path, ports: StackPorts) -> None:
        self._file = status_file(state)
        self._status = Status(os.getpid(), start_time(os.getpid()) or 0, ports)

    def report(self, part: str, doing: str) -> None:
        self._status.parts[part] = doing
        self._write()

    def enter(self, phase: Phase, sentence: str = "") -> None:
        self._status.phase = phase
        self._status.sentence = sentence
        self._write()

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self._status), indent=1))
        draft.replace(self._file)


def status_file(state: Path) -> Path:
    return state / "status.json"


def read_status(state: Path) -> Status | None:
    """The last status, of a supervisor that may be dead by now; None when there is none."""
    try:
        told = json.loads(status_file(state).read_text())
        return Status(**{**told, "ports": StackPorts(**told["ports"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
