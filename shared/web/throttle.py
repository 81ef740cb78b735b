"""Slows down guessing: only so many failures per address and minute."""

import time
from collections import OrderedDict
from collections.abc import Callable


class Failures:
    """Counts failures by address, in this process, in windows of ``seconds`` (real time).

    Remembers at most ``max_addresses``; the ones that failed longest ago are forgotten first.
    """

    def __init__(
        self,
        *,
        limit: int = 10,
        seconds: float = 60,
        max_addresses: int = 10_000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._max_addresses = max_addresses
        self._now = now
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_seconds(self, address: str) -> float:
        """How long this address has to wait before its next attempt; 0 when it may try now."""
        began, failures = self._window(address)
        return max(0.0, began + self._seconds - self._now()) if failures >= self._limit else 0.0

    def add(self, address: str) -> None:
        began, failures = self._window(address)
        self._windows[address] = (began, failures + 1)
        self._windows.move_to_end(address)
        while len(self._windows) > self._max_addresses:
            self._windows.popitem(last=False)

    def _window(self, address: str) -> tuple[float, int]:
        began, failures = self._windows.get(address, (self._now(), 0))
        return (began, failures) if self._now() - began < self._seconds else (self._now(), 0)
