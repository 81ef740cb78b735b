"""Driving the file that every process of a stack takes its time from."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path

from shared.clock import SteppedClock

TICK_SECONDS = 0.01


class RunningClock:
    """Moves a stepped clock steadily on, so many times as fast as real time, until it is stopped.

    A clock in a file rather than one that runs by itself, because this one can be stopped: only then can what the
    loop says be compared with what it should say.
    """

    def __init__(self, path: Path, start: datetime, speed: float) -> None:
        self._clock = SteppedClock.create(path, start)
        self._speed = speed
        self.setting = f"file:{path}"

    def now(self) -> datetime:
        return self._clock.now()

    async def run(self) -> None:
        """Until cancelled. A pause of this process is not made up for: time never jumps."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            passed = min(now - before, 10 * TICK_SECONDS)
            before = now
            self._clock.step_to(self._clock.now() + timedelta(seconds=passed * self._speed))
