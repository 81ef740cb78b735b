"""Carries queued surveys to the mail server, a burst at a time.

Three steps, two commits: take surveys from the queue, write their mails and note that they are about to be transmitted;
transmit them; write down what became of them. A crash before the first commit changes nothing; between the two, the
outcome is unknown (``unknown.py``).
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog

from services.dispatcher.courier.actions import deliveries as results
from services.dispatcher.courier.channels.email.compose import Desk
from services.dispatcher.courier.channels.email.message import Letter
from services.dispatcher.courier.channels.email.smtp import Connections, ServerUnavailable
from services.dispatcher.courier.domain.deliveries import Ending, ending_of
from services.dispatcher.courier.domain.outcomes import LATE, Outcome, pause_seconds
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.repository.deliveries import Later
from services.dispatcher.courier.settings import CourierSettings
from shared import metrics
from shared.runtime import Runtime

log = structlog.get_logger()

SERVER = "mail server"
"""The name under which readiness tells of its trouble."""

_FIRST_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Transmitted:
    """What is known after a burst, and not yet written down."""

    claim: UUID
    endings: list[Ending] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


class Courier:
    def __init__(self, runtime: Runtime[CourierSettings], connections: Connections, desk: Desk) -> None:
        self._runtime = runtime
        self._connections = connections
        self._desk = desk
        self._unwritten: Transmitted | None = None
        self._resume_at = 0.0
        self._pause = _FIRST_PAUSE

    async def round(self) -> bool:
        """Carries one burst. True when there may be more at once."""
        if self._unwritten is not None:
            # The database failed after the mails had gone: nothing new before that is written down.
            await self._write(self._unwritten)
        if time.monotonic() < self._resume_at:
            return False
        burst = 1 if self._in_trouble else self._runtime.settings.courier_burst
        async with self._runtime.autocommit() as connection:
            if not await repository.anything_due(connection):
                await self._connections.rest()
                return False
        claim, taken_at = uuid4(), _now()
        taken, letters = await self._take(claim, burst)
        if not letters:
            await self._connections.rest()
            return taken == burst
        self._unwritten = await self._transmit(claim, taken_at, letters)
        await self._write(self._unwritten)
        return taken == burst and not self._in_trouble

    @property
    def _in_trouble(self) -> bool:
        return self._pause > _FIRST_PAUSE

    async def _take(self, claim: UUID, limit: int) -> tuple[int, list[tuple[Letter, int]]]:
        """How many were taken from the queue, and the letters to transmit, each with its attempts so far."""
        runtime = self._runtime
        async with runtime.transaction() as connection:
            waiting = await repository.take(connection, limit)
            if not waiting:
                return 0, []
            now = runtime.clock.now()
            written = await self._desk.write(connection, waiting, now)
            endings = [each for each in written if isinstance(each, Ending)]
            letters = [
                (each, before.attempts)
                for each, before in zip(written, waiting, strict=True)
                if isinstance(each, Letter)
            ]
            await results.end(connection, runtime.outbox, None, endings, now)
            await repository.begin(
                connection, claim, [letter.send_id for letter, _ in letters], runtime.settings.courier_lease_seconds
            )
        return len(waiting), letters

    async def _transmit(self, claim: UUID, taken_at: float, letters: Sequence[tuple[Letter, int]]) -> Transmitted:
        settings = self._runtime.settings
        begin_before = taken_at + settings.courier_lease_seconds - settings.courier_mail_seconds

        def may_begin() -> bool:
            # After the lease another may be sending this mail; a process told to stop begins nothing.
            return _now() < begin_before and not self._runtime.health.stopping

        outcomes = await asyncio.gather(*(self._outcome(letter, may_begin) for letter, _ in letters))
        self._note_server(outcomes)
        transmitted = Transmitted(claim)
        for (letter, attempts), outcome in zip(letters, outcomes, strict=True):
            if (ending := ending_of(letter.send_id, outcome)) is not None:
                transmitted.endings.append(ending)
            elif outcome.kind == "unknown":
                transmitted.unknown.append(letter.send_id)
            else:
                transmitted.later.append(self._later(letter.send_id, outcome, attempts))
        return transmitted

    async def _outcome(self, letter: Letter, may_begin: Callable[[], bool]) -> Outcome:
        try:
            return await self._connections.deliver(letter, may_begin)
        except ServerUnavailable as error:
            return Outcome("unbegun", error.reason)

    def _later(self, send_id: str, outcome: Outcome, attempts: int) -> Later:
        settings = self._runtime.settings
        if outcome == LATE:
            return Later(send_id, None, 0, 0)
        # A server in trouble is not the mail's fault; but the mail goes behind the others, lest it be what hangs it.
        tries = 1 if outcome.kind == "put_off" else 0
        chance = random.random()  # noqa: S311 - spreads retries, guards nothing
        seconds = pause_seconds(
            attempts + tries, settings.courier_retry_seconds, settings.courier_retry_limit_seconds, chance
        )
        return Later(send_id, outcome.reason, seconds, tries)

    def _note_server(self, outcomes: Sequence[Outcome]) -> None:
        """Pauses when the server took part in none of a burst, and says so; goes on when it did in any."""
        health = self._runtime.health
        obstacles = [each for each in outcomes if each.kind == "unbegun" and each != LATE]
        metrics.courier_mails.labels("unavailable").inc(len(obstacles))
        if not obstacles or len(obstacles) < len(outcomes):
            self._pause = _FIRST_PAUSE
            health.well(SERVER)
            return
        self._resume_at = time.monotonic() + self._pause
        log.warning("the mail server takes no mail", reason=obstacles[0].reason, seconds=self._pause)
        health.trouble(
            SERVER, f"takes no mail ({obstacles[0].reason}); check HEARBACK_SMTP_URL, HEARBACK_MAIL_FROM and the server"
        )
        self._pause = min(self._pause * 2, self._runtime.settings.retry_limit_seconds)

    async def _write(self, done: Transmitted) -> None:
        runtime = self._runtime
        async with runtime.transaction() as connection:
            await results.end(connection, runtime.outbox, done.claim, done.endings, runtime.clock.now())
            if done.later:
                await repository.put_off(connection, done.claim, done.later)
            if done.unknown:
                await repository.leave_unknown(
                    connection, done.claim, done.unknown, runtime.settings.courier_lease_seconds
                )
        self._unwritten = None
        metrics.courier_mails.labels("put_off").inc(sum(each.tries for each in done.later))
        metrics.courier_mails.labels("unknown").inc(len(done.unknown))


def _now() -> float:
    """Real seconds that go on while the process is stopped and, where the system can tell, while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
