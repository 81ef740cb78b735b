"""Drives the clock file from which every process of a stack reads the time."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path

from shared.clock import SteppedClock

TICK_SECONDS = 0.01


class RunningClock:
    """Advances a stepped clock continuously, ``speed`` times as fast as real time, until it is stopped.

    It is a file rather than a running clock because it can be stopped: only then can served and expected values be
    compared.
    """

    def __init__(self, path: Path, start: datetime, speed: float) -> None:
        self._clock = SteppedClock.create(path, start)
        self.speed = speed
        """May be changed while it runs."""
        self.setting = f"file:{path}"

    def now(self) -> datetime:
        return self._clock.now()

    async def run(self) -> None:
        """Runs until cancelled. Does not catch up after a pause of this process: time never jumps."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            passed = min(now - before, 10 * TICK_SECONDS)
            before = now
            self._clock.step_to(self._clock.now() + timedelta(seconds=passed * self.speed))
