"""What ``/healthz`` and ``/readyz`` say: does every loop still tick, and can this process do its work now."""

import time
from collections.abc import Awaitable, Callable

Check = Callable[[], Awaitable[str | None]]
"""None when all is well, else a sentence."""


class Health:
    """Loops report their ticks and troubles here; the probes ask."""

    def __init__(self) -> None:
        self._ticks: dict[str, tuple[float, float]] = {}
        self._troubles: dict[str, str] = {}
        self._checks: dict[str, Check] = {}
        self.started = False
        self.stopping = False

    def tick(self, loop: str, allowed_seconds: float = 60) -> None:
        """This loop went round; it is taken for dead when it does not again within ``allowed_seconds`` (real)."""
        self._ticks[loop] = (time.monotonic(), allowed_seconds)

    def forget(self, loop: str) -> None:
        self._ticks.pop(loop, None)
        self._troubles.pop(loop, None)

    def trouble(self, loop: str, sentence: str) -> None:
        """The loop lives, but cannot do its work: the process is not ready until ``well``."""
        self._troubles[loop] = sentence

    def well(self, loop: str) -> None:
        self._troubles.pop(loop, None)

    def add_check(self, name: str, check: Check) -> None:
        self._checks[name] = check

    def dead_loops(self) -> dict[str, str]:
        now = time.monotonic()
        return {
            loop: f"has not gone round for {now - at:.0f} s (allowed {allowed:.0f} s)"
            for loop, (at, allowed) in self._ticks.items()
            if now - at > allowed
        }

    async def obstacles(self) -> dict[str, str]:
        """What keeps this process from working, by part; empty when it is ready."""
        if self.stopping:
            return {"process": "is finishing its work and stops"}
        if not self.started:
            return {"process": "is starting"}
        found = {**self.dead_loops(), **self._troubles}
        for name, check in self._checks.items():
            if (sentence := await check()) is not None:
                found[name] = sentence
        return found
