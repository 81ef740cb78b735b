"""Waiting for a condition, with a limit."""

import asyncio
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.01
TIMEOUT_SECONDS = 240.0


class Stuck(Exception):
    """Something did not happen within the time limit; the message says what."""


async def until(condition: Callable[[], Awaitable[bool]], what: str, timeout: float = TIMEOUT_SECONDS) -> None:
    """Returns when the condition holds. Raises Stuck."""
    deadline = asyncio.get_running_loop().time() + timeout
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            raise Stuck(f"waited {timeout:.0f} s for {what}")
        await asyncio.sleep(POLL_SECONDS)
