"""Background loops that are owned: started, watched, retried on a backend's trouble, and stopped in order."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from shared import metrics
from shared.health import Health
from shared.persistence.engine import is_fault_of_data

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Periodic:
    """``action`` every ``seconds`` of real time; when it gives back True there is more, and it goes on at once.

    A database or broker in trouble is met with growing pauses; any other exception ends the process, which is then
    started again by whoever supervises it.
    """

    name: str
    seconds: float
    action: Callable[[], Awaitable[bool]]
    allowed_seconds: float = 60

    async def run(self, stop: asyncio.Event, health: Health, retry_limit_seconds: float) -> None:
        pause = 0.1
        while not stop.is_set():
            health.tick(self.name, self.allowed_seconds)
            try:
                more = await self.action()
            except Exception as error:
                if is_fault_of_data(error):
                    raise
                metrics.backend_retries.labels(self.name).inc()
                health.trouble(self.name, f"cannot do its work: {type(error).__name__}")
                log.warning("a loop failed, trying again", loop=self.name, error=type(error).__name__, seconds=pause)
                await wait(stop, pause)
                pause = min(pause * 2, retry_limit_seconds)
                continue
            health.well(self.name)
            pause = 0.1
            if not more:
                await wait(stop, self.seconds)
            else:
                # Lets heartbeats and requests in between two rounds that find all they need at once.
                await asyncio.sleep(0)
        health.forget(self.name)


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Sleeps, but not longer than until ``stop``."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
