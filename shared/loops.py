"""Background loops: started, supervised, retried when a backend fails, and stopped in order."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass

import structlog

from shared import metrics
from shared.backoff import Backoff
from shared.health import Health
from shared.persistence.engine import is_fault_of_data, what_failed

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Periodic:
    """Runs ``step`` every ``seconds`` (real time), and again immediately when it returns True: there may be more.

    It is retried with backoff while the database or the broker fails; any other exception ends the process,
    which its supervisor then restarts. The process counts as dead when a step takes more than ``allowed_seconds``.
    """

    name: str
    seconds: float
    step: Callable[[], Awaitable[bool]]
    _: KW_ONLY
    allowed_seconds: float = 60

    async def run(self, stop: asyncio.Event, health: Health, retry_limit_seconds: float) -> None:
        backoff = Backoff(first=0.1, longest=retry_limit_seconds)
        while not stop.is_set():
            health.tick(self.name, self.allowed_seconds)
            try:
                more = await self.step()
            except Exception as error:
                if is_fault_of_data(error):
                    raise
                pause = backoff.failed()
                metrics.backend_retries.labels(self.name).inc()
                health.trouble(self.name, sentence=f"is failing: {what_failed(error)}")
                log.warning("a loop failed, retrying", loop=self.name, error=what_failed(error), seconds=pause)
                await self._rest(stop, health, pause)
                continue
            health.well(self.name)
            backoff.succeeded()
            if not more:
                await self._rest(stop, health, self.seconds)
            else:
                # Yields to heartbeats and requests between steps that never had to wait.
                await asyncio.sleep(0)
        health.forget(self.name)

    async def _rest(self, stop: asyncio.Event, health: Health, seconds: float) -> None:
        """Waits for the next round, which is not due before: a loop that rests longer than a step may take is alive."""
        health.tick(self.name, seconds + self.allowed_seconds)
        await wait(stop, seconds)


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Sleeps for ``seconds``, or until ``stop``."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
