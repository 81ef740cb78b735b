"""One user at a time of a state folder: whoever comes second would end the processes of the first as leftovers."""

import fcntl
from pathlib import Path
from typing import IO

from deploy.local.errors import StackError


class StateLock:
    """Held from ``take`` until ``release``, or until the process exits, however it exits."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises StackError when another process has it; does nothing when this one does."""
        if self._file is not None:
            return
        self._state.mkdir(parents=True, exist_ok=True)
        file = (self._state / "lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StackError(
                f"Another stack is using {self._state}: stop it with `make down`, or use another folder."
            ) from error
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
