"""A rate limit."""

import asyncio
import time


class Pace:
    """At most ``per_second``; 0 = unlimited."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._next = 0.0

    @property
    def is_limited(self) -> bool:
        return self._gap > 0

    def wait(self) -> float:
        """Seconds until the next turn."""
        return max(self._next - time.monotonic(), 0.0) if self._gap else 0.0

    async def turn(self) -> None:
        """Takes the next turn, and waits for it."""
        if not self._gap:
            return
        now = time.monotonic()
        mine = max(self._next, now)
        self._next = mine + self._gap
        await asyncio.sleep(mine - now)
