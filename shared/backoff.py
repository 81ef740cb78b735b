"""Exponential backoff: how long to wait before trying something again, or saying it again."""

import math
from collections.abc import Callable


def pause_after(failures: int, *, first: float, longest: float) -> float:
    """Seconds to wait after the nth failure in a row: ``first`` after the first, doubled by each, up to ``longest``."""
    # Past 2³⁰ a float would overflow long before anybody retried that often.
    return min(longest, first * 2.0 ** min(max(failures, 1) - 1, 30))


def total_of_pauses(failures: int, *, first: float, longest: float) -> float:
    """Seconds waited in all, after the pauses that follow the first ``failures`` failures in a row."""
    doubling = min(max(math.ceil(math.log2(longest / first)), 0), failures, 30)
    return first * (2.0**doubling - 1) + longest * (failures - doubling) if longest > first else longest * failures


class Backoff:
    """The pauses between the retries of one thing, in seconds; the first one again after a success."""

    def __init__(self, *, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._failures > 0

    def failed(self) -> float:
        """Records a failure and returns how long to wait before the next attempt."""
        self._failures += 1
        return pause_after(self._failures, first=self._first, longest=self._longest)

    def succeeded(self) -> None:
        self._failures = 0


class Reminders:
    """When to say something that goes on: at once if it is new, then again after pauses that double, in seconds.

    ``now`` is a monotonic clock.
    """

    def __init__(self, *, first: float, longest: float, now: Callable[[], float]) -> None:
        self._pauses = Backoff(first=first, longest=longest)
        self._now = now
        self._said = ""
        self._next = 0.0

    def due(self, sentence: str) -> bool:
        """Whether to say it now; the caller then does."""
        if sentence != self._said:
            self._pauses.succeeded()
        elif self._now() < self._next:
            return False
        self._said = sentence
        self._next = self._now() + self._pauses.failed()
        return True
