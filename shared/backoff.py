"""Exponential backoff: how long to wait before trying something again."""


def pause_after(failures: int, *, first: float, longest: float) -> float:
    """Seconds to wait after the nth failure in a row: ``first`` after the first, doubled by each, up to ``longest``."""
    # Past 2³⁰ a float would overflow long before anybody retried that often.
    return min(longest, first * 2.0 ** min(max(failures, 1) - 1, 30))


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
