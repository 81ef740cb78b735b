"""A loop is alive while it rests, however long that is, and dead when a step takes too long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from shared.health import Health
from shared.loops import Periodic


async def _nothing_to_do() -> bool:
    return False


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
