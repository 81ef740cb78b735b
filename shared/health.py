"""What ``/healthz`` and ``/readyz`` report: whether every loop is alive, and whether this process can work now."""

import time
from collections.abc import Awaitable, Callable

Check = Callable[[], Awaitable[str | None]]
"""Returns None when healthy, else a sentence."""


class Health:
    """Loops report their progress and failures here; the probes read them."""

    def __init__(self) -> None:
        self._ticks: dict[str, tuple[float, float]] = {}
        self._troubles: dict[str, str] = {}
        self._checks: dict[str, Check] = {}
        self.essential: frozenset[str] | None = None
        """The loops and checks without which this process cannot do its work; None for all of them."""
        self.started = False
        self.stopping = False

    def tick(self, loop: str, allowed_seconds: float = 60) -> None:
        """The loop has started a round; it counts as dead unless the next starts within ``allowed_seconds`` (real)."""
        self._ticks[loop] = (time.monotonic(), allowed_seconds)

    def forget(self, loop: str) -> None:
        self._ticks.pop(loop, None)
        self._troubles.pop(loop, None)

    def trouble(self, loop: str, *, sentence: str) -> None:
        """The loop is alive but cannot work: the process is not ready until ``well``."""
        self._troubles[loop] = sentence

    def well(self, loop: str) -> None:
        self._troubles.pop(loop, None)

    def add_check(self, name: str, check: Check) -> None:
        self._checks[name] = check

    def dead_loops(self) -> dict[str, str]:
        now = time.monotonic()
        return {
            loop: f"has been stuck for {now - at:.0f} s (allowed {allowed:.0f} s)"
            for loop, (at, allowed) in self._ticks.items()
            if now - at > allowed
        }

    async def obstacles(self) -> dict[str, str]:
        """Why this process cannot work, by loop or check; empty when it is ready."""
        if self.stopping:
            return {"process": "is shutting down"}
        if not self.started:
            return self._failing() or {"process": "is starting"}
        found = {name: sentence for name, sentence in self._failing().items() if self._is_essential(name)}
        for name, check in self._checks.items():
            if self._is_essential(name) and (sentence := await check()) is not None:
                found[name] = sentence
        return found

    def degraded(self) -> dict[str, str]:
        """What is failing although this process is ready, by loop."""
        return {name: sentence for name, sentence in self._failing().items() if not self._is_essential(name)}

    def _failing(self) -> dict[str, str]:
        return {**self.dead_loops(), **self._troubles}

    def _is_essential(self, name: str) -> bool:
        return self.essential is None or name in self.essential
