"""Something useful that may be slow, done no more often than it can be afforded."""

import math
from collections.abc import Callable

_SHARE = 0.05


class Ration:
    """Allows something so often that it takes at most a twentieth of the time: always while it is quick.

    ``now`` has monotonic seconds. What takes no longer than ``quick`` seconds is allowed again at once, and what takes
    very long after ``longest`` seconds.
    """

    def __init__(self, *, now: Callable[[], float], quick: float = 0.0, longest: float = math.inf) -> None:
        self._now = now
        self._quick = quick
        self._longest = longest
        self._due_at = -math.inf

    def due(self) -> bool:
        return self._now() >= self._due_at

    def took(self, seconds: float) -> None:
        """It was done just now, and took so long."""
        rest = 0.0 if seconds <= self._quick else min(seconds / _SHARE, self._longest)
        self._due_at = self._now() + rest

    def reset(self) -> None:
        """It is due, however long it takes."""
        self._due_at = -math.inf
