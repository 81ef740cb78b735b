"""What the processes of one test session share: a folder, which ends with the session.

The session's owner is the process that was typed: pytest itself, or xdist's controller. Workers come and go.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from deploy.local.supervisor import start_time

TEST_STATE = Path(__file__).parents[2] / ".hearback" / "test"


@dataclass(frozen=True, slots=True)
class Session:
    """Known by its owner; `started` is in clock ticks since boot, because the process id alone may be reused."""

    owner: int
    started: int

    @classmethod
    def of(cls, worker: dict[str, Any] | None) -> Self:
        """`worker` is xdist's workerinput; None in the owner itself."""
        owner: int = worker["owner"] if worker else os.getpid()
        return cls(owner, start_time(owner) or 0)

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        owner, started = folder.name.split("-")
        return cls(int(owner), int(started))

    @property
    def folder(self) -> Path:
        return TEST_STATE / f"{self.owner}-{self.started}"

    @property
    def alive(self) -> bool:
        return start_time(self.owner) == self.started

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """One process of the session at a time in here; the others wait."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
