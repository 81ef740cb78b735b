"""Claims due timers, and decides and sends their surveys in the same transaction."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions.sends import put_off, send_due
from services.dispatcher.domain.policy.verdict import Verdict
from services.dispatcher.domain.reasons import Outcome
from services.dispatcher.repository import customers, timers
from services.dispatcher.settings import DispatcherSettings
from shared import metrics
from shared.clock import real_seconds_until
from shared.persistence.engine import is_fault_of_data
from shared.persistence.transaction import transaction
from shared.runtime import Runtime
from shared.timers import Due
from shared.watermark import Claimed

log = structlog.get_logger()

# As many customers, and all of a batch: then it is not their data that is at fault.
_OWN_FAULT = 3
# Timers set here are told of; those of another process, or set over HTTP, have to be looked for.
_QUIET_SECONDS = 1.0


class _KnownTimers:
    """The timers that were set before everything published until then was read."""

    known_by: datetime

    async def next_due(self, connection: AsyncConnection, *, since: datetime) -> datetime | None:
        return await timers.next_due(connection, since)

    async def claim(self, connection: AsyncConnection, *, now: datetime, watermark: datetime, most: int) -> Claimed:
        return await timers.claim(connection, now=now, watermark=watermark, most=most, known_by=self.known_by)


class TimerLoop:
    """Handles due timers; any number of processes may run it at once.

    It never decides ahead of what the dispatcher has not read: a cancellation, an unsubscription or an erasure that
    was published before a survey was due is known by then, whatever was down in between (``messaging/reading.py``).
    """

    def __init__(self, runtime: Runtime[DispatcherSettings]) -> None:
        self._runtime = runtime
        self._known = _KnownTimers()
        self._due = Due(runtime, self._known, most=runtime.settings.timer_batch_size)

    async def step(self) -> bool:
        """Decides one batch. True when more may be due."""
        now = self._runtime.clock.now()
        due = await self._due.anything(now)
        decided = more = False
        read = await self._runtime.reads.until() if due else None
        if read is None:
            self._report((), now)
        else:
            self._known.known_by = read.known_by
            decided, more = await self._decide(min(now, read.moment))
        await self._runtime.reads.note(waiting=due and not decided)
        return more

    def quiet(self) -> float:
        """After a step: for how many seconds no timer that it knew of comes due."""
        if self._due.next_due is None:
            return _QUIET_SECONDS
        return min(_QUIET_SECONDS, real_seconds_until(self._runtime.clock, self._due.next_due))

    async def _decide(self, now: datetime) -> tuple[bool, bool]:
        """Decides one batch of what is due ``now``. Whether there was one, and whether more may be due."""
        verdicts: Sequence[Verdict] = ()
        claimed: Sequence[str] = ()
        try:
            async with self._due.batch(now) as batch:
                if batch is not None:
                    claimed = batch.ids
                    verdicts = await self._send_due(batch.connection, batch.ids, now)
        except Exception as error:
            if not claimed or not is_fault_of_data(error):
                raise
            await self._one_at_a_time(claimed, now)
            return True, True
        self._report(verdicts, now)
        return bool(claimed), batch is not None and batch.full

    async def _send_due(
        self, connection: AsyncConnection, customer_ids: Sequence[str], now: datetime
    ) -> Sequence[Verdict]:
        known = await self._known_ones(connection, customer_ids, now)
        return await send_due(connection, self._runtime, known, now) if known else []

    async def _known_ones(
        self, connection: AsyncConnection, customer_ids: Sequence[str], now: datetime
    ) -> Sequence[str]:
        """Those of locked customers of whom nothing is due that was set after the reading; the others come again."""
        ahead = await timers.ahead_of_reading(connection, customer_ids, now=now, known_by=self._known.known_by)
        return [customer_id for customer_id in customer_ids if customer_id not in ahead]

    async def _one_at_a_time(self, customer_ids: Sequence[str], now: datetime) -> None:
        """Decides each customer alone, after the data of one of them failed the batch; those at fault are put off.

        Raises their error if nobody could be decided: then the fault is our own.
        """
        at_fault: dict[str, Exception] = {}
        for customer_id in customer_ids:
            try:
                async with transaction(self._runtime.engine) as connection:
                    await customers.lock(connection, [customer_id])
                    verdicts = await self._send_due(connection, [customer_id], now)
            except Exception as error:
                if not is_fault_of_data(error):
                    raise
                at_fault[customer_id] = error
            else:
                self._report(verdicts, now)
        if len(at_fault) == len(customer_ids) >= _OWN_FAULT:
            raise at_fault[customer_ids[0]]
        for customer_id, fault in at_fault.items():
            async with transaction(self._runtime.engine) as connection:
                await customers.lock(connection, [customer_id])
                known = await self._known_ones(connection, [customer_id], now)
                verdicts = await put_off(connection, customer_id, now) if known else []
            for verdict in verdicts:
                log.error(
                    "a timer cannot be decided and is put off",
                    timer_id=verdict.timer.timer_id,
                    campaign=verdict.timer.campaign,
                    outcome=verdict.outcome,
                    error=type(fault).__name__,
                    sqlstate=getattr(getattr(fault, "orig", None), "sqlstate", None),
                )
            self._report(verdicts, now)

    def _report(self, verdicts: Sequence[Verdict], now: datetime) -> None:
        """After the commit: updates metrics, and wakes the relay if there is something to publish."""
        late = max((now - verdict.timer.check_at for verdict in verdicts), default=timedelta(0))
        metrics.timer_lateness_seconds.set(late.total_seconds())
        for outcome, count in Counter(verdict.outcome for verdict in verdicts).items():
            metrics.timer_decisions.labels(outcome).inc(count)
        if any(verdict.outcome is Outcome.SENT for verdict in verdicts):
            self._runtime.relay.wake()
