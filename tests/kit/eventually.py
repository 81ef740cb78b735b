"""Waiting for a condition, with a time limit, instead of sleeping and hoping."""

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
    """Calls ``ask`` until its result is as wanted, and returns that. ``within`` and ``every`` are seconds.

    Raises AssertionError with what was waited for and the last result.
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
    """The same for a condition that is not asynchronous; a callable ``what`` may describe how far it got."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"waited {within:.0f} s for {what if isinstance(what, str) else what()}")
        await asyncio.sleep(every)
