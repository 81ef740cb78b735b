"""What the processes of one test session share: a folder, deleted at the end of the session.

The session's owner is xdist's controller, or pytest's only process; workers come and go.
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
    """Identified by its owner; `started` is in clock ticks since boot, because process ids are reused."""

    owner: int
    started: int

    @classmethod
    def of(cls, worker: dict[str, Any] | None) -> Self:
        """`worker` is xdist's workerinput, None in the owner."""
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
    def lock(self, name: str) -> Iterator[None]:
        """Only one process of the session at a time is in the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
