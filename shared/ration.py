"""Something useful that may be slow, done no more often than it can be afforded."""

import time
from collections.abc import Callable

_SHARE = 0.05


class Ration:
    """Allows something so often that it takes at most a twentieth of the time: always while it is quick."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._due_at = float("-inf")

    def due(self) -> bool:
        return self._now() >= self._due_at

    def took(self, seconds: float) -> None:
        """It was done just now, and took so long."""
        self._due_at = self._now() + seconds / _SHARE

    def reset(self) -> None:
        """It is due, however long it takes."""
        self._due_at = float("-inf")
