"""The simulated clock runs for every process that reads it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.clock import clock_from
from tests.kit.eventually import until
from tools.simulation.clock import RunningClock


async def test_a_running_clock_runs_for_every_reader_until_it_is_stopped(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = RunningClock(tmp_path / "clock", start, speed=86_400)
    reader = clock_from(clock.setting)
    running = asyncio.create_task(clock.run())
    await until(lambda: reader.now() >= start + timedelta(hours=2), "two hours", within=10, every=0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    stopped = reader.now()
    assert stopped == clock.now()
    await asyncio.sleep(0.03)
    assert reader.now() == stopped
