"""Delivers the queued surveys of one channel, a burst at a time.

Three steps, two commits: take surveys from the queue, compose their messages and record that they are about to be
transmitted; transmit them; write their outcomes soon after they are certain, many in one transaction. A crash before
the first commit changes nothing; between the commits, an outcome is unresolved (``unresolved.py``).

A burst has two halves: while one is transmitted, the next is prepared, so that no connection has to wait.

Data that cannot be read, composed or written ends only the delivery it belongs to.
"""

import asyncio
import random
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Generic
from uuid import UUID, uuid4

import structlog

from services.dispatcher.courier.actions import deliveries as actions
from services.dispatcher.courier.actions.messages import prepare
from services.dispatcher.courier.channels.channel import Channel, M
from services.dispatcher.courier.domain.deliveries import QueuedDelivery, Results
from services.dispatcher.courier.domain.outcomes import NOT_TAKEN, results_of
from services.dispatcher.courier.domain.refusals import POSSIBLY_ABOUT_US, Attempt, Refusals
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.settings import CourierSettings
from shared import metrics
from shared.backoff import Backoff
from shared.runtime import Runtime
from shared.transmission import Kind, TransmissionOutcome
from shared.watermark import First, Watermark

log = structlog.get_logger()

_FIRST_PAUSE = 0.5
# What this courier queues it is told of; what another one queued it has to look for.
_QUIET_SECONDS = 1.0
_READ_WITHIN_SECONDS = 5.0
# Outcomes that are known sooner after each other are written together.
_WRITE_SECONDS = 0.05
# What is queued becomes visible when its transaction ends, which is later than the time it is available from.
_VISIBLE_LATE = timedelta(seconds=2)
_TROUBLES: Mapping[Kind, str] = {
    "unavailable": "unavailable ({reason}); check {settings} and the server",
    "misconfigured": "refuses us ({reason}), so that surveys wait in the queue; check {settings}",
    "throttled": "asks for fewer emails ({reason}), so the courier waits; see HEARBACK_COURIER_MAILS_PER_SECOND",
    "refuses_all": "refuses everybody alike ({reason}), so that surveys wait in the queue; "
    "check {settings}, and with its operator why",
}


class DeliverLoop(Generic[M]):
    """``others`` are the names of the other channels, whose surveys are left to their own loops. A survey for an
    unknown channel ends here, as unsupported."""

    def __init__(self, runtime: Runtime[CourierSettings], channel: Channel[M], others: Collection[str] = ()) -> None:
        self._runtime = runtime
        self._channel = channel
        self._others = others
        self._unwritten: dict[UUID, Results] = {}
        self._writing = asyncio.Lock()
        self._written_at = 0.0
        self._resume_at = 0.0
        self._failed_at = 0.0
        self._quiet_seconds = 0.0
        self._backoff = Backoff(first=_FIRST_PAUSE, longest=runtime.settings.retry_limit_seconds)
        self._refusals = Refusals(runtime.settings.courier_same_refusals)
        self._watermark = Watermark(time.monotonic, late=_VISIBLE_LATE)

    async def step(self) -> bool:
        """Delivers what is due, for at most about one lease. True when there may be more right away."""
        self._quiet_seconds = 0.0
        # The database failed after messages were sent: write their outcomes before starting anything new.
        await self._write_rest()
        if time.monotonic() < self._resume_at:
            return False
        first = await self._watermark.look(self._find)
        if not first.due:
            await self._runtime.reads.note(waiting=False)
            await self._channel.rest()
            self._quiet_seconds = min(_QUIET_SECONDS, first.seconds_left())
            return False
        more = await self._deliver(until=time.monotonic() + self._runtime.settings.courier_lease_seconds)
        return more and not self._backoff.failing

    async def _find(self, since: datetime) -> First:
        async with self._runtime.autocommit() as connection:
            return await repository.first_queued(connection, self._others, since=since)

    async def _deliver(self, *, until: float) -> bool:
        """Delivers one half of a burst after the other, ``until`` then at the latest. Whether there may be more."""
        more = False
        under_way: asyncio.Task[None] | None = None
        try:
            while await self._may_send():
                burst = 1 if self._backoff.failing else self._runtime.settings.burst
                taken_at = _now()
                more, transmission = await self._begin(uuid4(), taken_at, max(burst // 2, 1))
                before, under_way = under_way, transmission
                if before is not None:
                    await before
                if burst == 1 and under_way is not None:
                    transmission, under_way = under_way, None
                    await transmission
                if not more or self._backoff.failing or self._runtime.health.stopping or time.monotonic() > until:
                    break
        except asyncio.CancelledError:
            if under_way is not None:
                under_way.cancel()
            raise
        finally:
            if under_way is not None:
                await under_way
        return more

    def quiet(self) -> float:
        """After a step that found nothing due: for how many seconds nobody need look again."""
        return self._quiet_seconds

    async def _may_send(self) -> bool:
        """Whether the dispatcher has read, by a few seconds ago, all that could forbid a survey since its decision."""
        read = await self._runtime.reads.until()
        current = read is not None and read.age() <= _READ_WITHIN_SECONDS
        await self._runtime.reads.note(waiting=not current)
        return current

    async def _begin(self, claim: UUID, taken_at: float, most: int) -> "tuple[bool, asyncio.Task[None] | None]":
        """Takes surveys from the queue and begins to transmit them. Whether there may be more, and the transmission."""
        began = time.monotonic()
        prepared = await prepare(
            self._runtime, self._channel, self._others, claim, since=self._watermark.position, most=most
        )
        self._watermark.claimed(prepared.taken, time.monotonic() - began)
        if not prepared.messages:
            return prepared.taken.full, None
        return prepared.taken.full, asyncio.create_task(self._transmit(claim, taken_at, prepared.messages))

    async def _transmit(self, claim: UUID, taken_at: float, messages: Sequence[tuple[QueuedDelivery, M]]) -> None:
        """Transmits the messages and writes their outcomes."""
        settings = self._runtime.settings
        begin_before = taken_at + settings.courier_lease_seconds - self._channel.attempt_seconds

        def may_begin(in_seconds: float) -> bool:
            # After the lease, another courier may be sending this message; while shutting down, nothing new is started.
            return _now() + in_seconds < begin_before and not self._runtime.health.stopping

        burst, outcomes = self._refusals.burst(), []
        began = time.monotonic()
        under_way = {
            asyncio.create_task(self._channel.transmit(message, may_begin)): delivery for delivery, message in messages
        }
        try:
            while under_way:
                done, _ = await asyncio.wait(
                    under_way, timeout=self._until_written(claim), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    delivery, outcome = under_way.pop(task), _outcome(task)
                    outcomes.append(outcome)
                    settled = burst.settled_by(Attempt(delivery.survey.send_id, delivery.attempts, outcome))
                    self._keep(claim, self._results(settled))
                if self._until_written(claim) == 0:
                    await self._write_early()
        finally:
            for task in under_way:
                task.cancel()
            # Each closes its connection.
            await asyncio.gather(*under_way, return_exceptions=True)
        doubtful = burst.end()
        self._keep(claim, self._results(doubtful))
        doubted = [attempt.outcome for attempt in doubtful]
        self._note_availability([each for each in outcomes if each.kind not in POSSIBLY_ABOUT_US] + doubted, began)
        await self._write_rest()

    def _results(self, attempts: Sequence[Attempt]) -> Results:
        return results_of(attempts, self._runtime.settings.pauses, chance=random.random)

    def _note_availability(self, outcomes: Sequence[TransmissionOutcome], began: float) -> None:
        """Pauses, not ready, when the server took none of what was transmitted; resumes once it does. ``began`` is when
        the transmission did."""
        health, channel = self._runtime.health, self._channel
        begun = [each for each in outcomes if each.kind != "not_begun"]
        trouble = [each for each in begun if each.kind in NOT_TAKEN]
        for each in trouble:
            metrics.courier_deliveries.labels(each.kind).inc()
        if not begun:
            return
        if not trouble or len(trouble) < len(begun):
            self._backoff.succeeded()
            self._resume_at = 0.0
            health.well(channel.server)
            return
        if began < self._failed_at:
            # The other half of the same burst has failed already: that is one failure.
            return
        pause = self._backoff.failed()
        self._failed_at = time.monotonic()
        self._resume_at = self._failed_at + pause
        kind, reason = trouble[0].kind, trouble[0].reason
        log.warning("server takes nothing", server=channel.server, kind=kind, reason=reason, retry_in=pause)
        health.trouble(channel.server, sentence=_TROUBLES[kind].format(reason=reason, settings=channel.server_settings))

    def _until_written(self, claim: UUID) -> float | None:
        """Seconds until the outcomes known by then are written; None when there are none."""
        if claim not in self._unwritten:
            return None
        return max(self._written_at + _WRITE_SECONDS - time.monotonic(), 0)

    async def _write_early(self) -> None:
        """Writes what is certain while the rest is under way; what fails is written with the rest."""
        try:
            await self._write_rest()
        except Exception as error:
            log.warning("outcomes could not be written yet", error=type(error).__name__)
        self._written_at = time.monotonic()

    def _keep(self, claim: UUID, results: Results) -> None:
        if results:
            self._unwritten[claim] = self._unwritten.get(claim, Results()) + results

    async def _write_rest(self) -> None:
        """Writes all outcomes that are not written yet."""
        async with self._writing:
            for claim in list(self._unwritten):
                results = self._unwritten.pop(claim)
                try:
                    await self._write(claim, results)
                except BaseException:
                    self._unwritten[claim] = results + self._unwritten.get(claim, Results())
                    raise

    async def _write(self, claim: UUID, results: Results) -> None:
        await actions.write_results(
            self._runtime,
            claim,
            results,
            channel=self._channel.name,
            provider=self._channel.provider,
            check_after=self._runtime.settings.courier_lease_seconds,
        )
        metrics.courier_deliveries.labels("put_off").inc(sum(each.tries for each in results.retries))
        metrics.courier_deliveries.labels("unknown").inc(len(results.unresolved))


def _outcome(task: "asyncio.Task[TransmissionOutcome]") -> TransmissionOutcome:
    """A channel raises only by mistake; then nobody knows how far the message got."""
    if (error := task.exception()) is None:
        return task.result()
    if not isinstance(error, Exception):
        raise error
    log.error("an email's transmission failed unexpectedly", error=type(error).__name__)
    return TransmissionOutcome("unresolved", type(error).__name__)


def _now() -> float:
    """Real seconds on a clock that keeps running while the process is stopped and, where supported, while the machine
    sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
