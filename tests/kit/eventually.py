"""Waiting for a condition, with a limit: no test sleeps and hopes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    ask: Callable[[], Awaitable[T]],
    what: str,
    *,
    wanted: Callable[[T], bool] = bool,
    within: float = 30.0,
    every: float = 0.05,
) -> T:
    """Asks until the answer is as wanted, and returns it. ``within`` and ``every`` are seconds.

    AssertionError says what was waited for, and what was seen last.
    """
    deadline = asyncio.get_running_loop().time() + within
    while not wanted(found := await ask()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {within:.0f} s for {what}; last seen: {found!r}")
        await asyncio.sleep(every)
    return found


async def until(
    condition: Callable[[], bool], what: Callable[[], str] | str, *, within: float = 30.0, every: float = 0.02
) -> None:
    """Waits for a condition that needs no waiting itself; ``what`` may tell how far it came."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {within:.0f} s for {what if isinstance(what, str) else what()}")
        await asyncio.sleep(every)
