"""A loop is alive while it rests, however long that is, and dead when a step takes too long. One that rests for long
while nothing happens runs as soon as something does, and also if nobody tells it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from shared.health import Health
from shared.loops import Handled, Periodic
from tests.kit.eventually import until


async def _nothing_to_do() -> bool:
    return False


class _Counted:
    """A step that finds nothing to do, and counts its rounds."""

    def __init__(self) -> None:
        self.rounds = 0

    async def step(self) -> bool:
        self.rounds += 1
        return False

    async def reach(self, rounds: int) -> None:
        await until(lambda: self.rounds >= rounds, f"round {rounds}")


@asynccontextmanager
async def _running(loop: Periodic) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(loop.run(stop, Health(), 10))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(5):
            await running


async def test_a_quiet_loop_runs_at_once_when_a_batch_was_handled() -> None:
    counted, handled = _Counted(), Handled()
    async with _running(Periodic("timers", 0.01, counted.step, quiet=lambda: 600, handled=handled)):
        await counted.reach(1)
        await asyncio.sleep(0.1)
        for rounds in (2, 3):
            handled.tell()
            await counted.reach(rounds)
        assert counted.rounds == 3


async def test_a_quiet_loop_looks_by_itself_if_nobody_tells_it() -> None:
    counted = _Counted()
    async with _running(Periodic("timers", 0.01, counted.step, quiet=lambda: 0.05, handled=Handled())):
        await counted.reach(3)


async def test_a_loop_that_is_told_all_the_time_keeps_its_distance() -> None:
    counted, handled = _Counted(), Handled()
    async with _running(Periodic("timers", 600, counted.step, quiet=lambda: 600, handled=handled)):
        await counted.reach(1)
        for _ in range(20):
            handled.tell()
            await asyncio.sleep(0)
        assert counted.rounds == 1


async def test_a_batch_that_is_handled_during_a_step_is_not_missed() -> None:
    handled, rounds = Handled(), 0

    async def step() -> bool:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            handled.tell()
        return False

    async with _running(Periodic("timers", 0.01, step, quiet=lambda: 600, handled=handled)):
        await until(lambda: rounds == 2, "another round")


async def _fails() -> bool:
    raise ConnectionRefusedError


async def _hangs() -> bool:
    await asyncio.Event().wait()
    return False


@pytest.mark.parametrize(
    ("step", "after", "dead"),
    [
        (_nothing_to_do, 650, False),
        (_nothing_to_do, 670, True),
        (_fails, 59, False),
        (_hangs, 59, False),
        (_hangs, 61, True),
    ],
)
async def test_a_loop_that_rests_is_alive_and_one_that_hangs_is_not(
    step: Callable[[], Awaitable[bool]], after: float, dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = Health()
    loop = Periodic("retention", 600, step)
    running = asyncio.create_task(loop.run(asyncio.Event(), health, 10))
    for _ in range(5):
        await asyncio.sleep(0)
    now = time.monotonic() + after
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert bool(health.dead_loops()) == dead
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
