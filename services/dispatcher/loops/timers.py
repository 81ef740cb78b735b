"""Claims due timers, and decides and sends their surveys in the same transaction."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from services.dispatcher.actions.sends import send_due
from services.dispatcher.domain.policy.verdict import Verdict
from services.dispatcher.domain.reasons import Outcome
from services.dispatcher.repository import timers
from services.dispatcher.settings import DispatcherSettings
from shared import metrics
from shared.runtime import Runtime
from shared.timers import Watermark


class TimerLoop:
    """Handles due timers; any number of processes may run it at once."""

    def __init__(self, runtime: Runtime[DispatcherSettings]) -> None:
        self._runtime = runtime
        self._settings = runtime.settings
        self._watermark = Watermark()

    async def step(self) -> bool:
        """Decides one batch. True when more may be due."""
        now = self._runtime.clock.now()
        if self._watermark.at_beginning and not await self._anything_due(now):
            metrics.timer_lateness_seconds.set(0)
            return False
        verdicts: Sequence[Verdict] = ()
        async with self._runtime.engine.begin() as connection:
            claimed = await timers.claim(
                connection, now=now, watermark=self._watermark.position, most=self._settings.timer_batch_size
            )
            if claimed.customer_ids:
                verdicts = await send_due(connection, self._runtime, claimed.customer_ids, now)
        self._report(verdicts, now)
        self._watermark.advance(claimed.reached, full=claimed.full)
        return claimed.full

    async def _anything_due(self, now: datetime) -> bool:
        async with self._runtime.autocommit() as connection:
            first = await timers.next_check(connection)
        return first is not None and first <= now

    def _report(self, verdicts: Sequence[Verdict], now: datetime) -> None:
        """After the commit: updates metrics, and wakes the relay if there is something to publish."""
        late = max((now - verdict.timer.check_at for verdict in verdicts), default=timedelta(0))
        metrics.timer_lateness_seconds.set(late.total_seconds())
        for outcome, count in Counter(verdict.outcome for verdict in verdicts).items():
            metrics.timer_decisions.labels(outcome).inc(count)
        if any(verdict.outcome is Outcome.SENT for verdict in verdicts):
            self._runtime.relay.wake()
