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


class Handled:
    """Tells the loops of this process that its consumer has handled a batch: there may be something to do.

    No promise rests on it. What another process has handled is told there only, so whoever listens also looks by
    itself now and then.
    """

    def __init__(self) -> None:
        self._listening: list[asyncio.Event] = []

    def listen(self) -> asyncio.Event:
        """An event that is set with each batch; to be cleared before looking for what to do."""
        event = asyncio.Event()
        self._listening.append(event)
        return event

    def tell(self) -> None:
        for event in self._listening:
            event.set()


@dataclass(frozen=True, slots=True)
class Periodic:
    """Runs ``step`` every ``seconds`` (real time), and again immediately when it returns True: there may be more.

    One with ``quiet`` rests longer while nothing happens: for as many real seconds as ``quiet`` returns after a step,
    but no less than ``seconds``, or until ``handled`` tells of a batch. So after a silence it runs at once.

    It is retried with backoff while the database or the broker fails; any other exception ends the process,
    which its supervisor then restarts. The process counts as dead when a step takes more than ``allowed_seconds``.
    """

    name: str
    seconds: float
    step: Callable[[], Awaitable[bool]]
    _: KW_ONLY
    allowed_seconds: float = 60
    quiet: Callable[[], float] | None = None
    handled: Handled | None = None

    async def run(self, stop: asyncio.Event, health: Health, retry_limit_seconds: float) -> None:
        backoff = Backoff(first=0.1, longest=retry_limit_seconds)
        woken = self.handled.listen() if self.handled is not None else asyncio.Event()
        while not stop.is_set():
            health.tick(self.name, self.allowed_seconds)
            woken.clear()
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
                quiet = self.quiet() if self.quiet is not None else 0.0
                await self._rest(stop, health, self.seconds)
                await self._rest(stop, health, quiet - self.seconds, woken)
            else:
                # Yields to heartbeats and requests between steps that never had to wait.
                await asyncio.sleep(0)
        health.forget(self.name)

    async def _rest(
        self, stop: asyncio.Event, health: Health, seconds: float, woken: asyncio.Event | None = None
    ) -> None:
        """Waits for the next round, which is not due before: a loop that rests longer than a step may take is alive."""
        if seconds > 0:
            health.tick(self.name, seconds + self.allowed_seconds)
            await wait(stop, seconds, woken)


async def wait(stop: asyncio.Event, seconds: float, woken: asyncio.Event | None = None) -> None:
    """Sleeps for ``seconds``, or until ``stop``, or until ``woken``."""
    if woken is None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
        return
    waiting = [asyncio.create_task(event.wait()) for event in (stop, woken)]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
