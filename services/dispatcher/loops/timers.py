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
from shared.timers import Due


class TimerLoop:
    """Handles due timers; any number of processes may run it at once."""

    def __init__(self, runtime: Runtime[DispatcherSettings]) -> None:
        self._runtime = runtime
        self._due = Due(runtime, timers, most=runtime.settings.timer_batch_size)

    async def step(self) -> bool:
        """Decides one batch. True when more may be due."""
        now = self._runtime.clock.now()
        verdicts: Sequence[Verdict] = ()
        async with self._due.batch(now) as batch:
            if batch is not None:
                verdicts = await send_due(batch.connection, self._runtime, batch.ids, now)
        self._report(verdicts, now)
        return batch is not None and batch.full

    def _report(self, verdicts: Sequence[Verdict], now: datetime) -> None:
        """After the commit: updates metrics, and wakes the relay if there is something to publish."""
        late = max((now - verdict.timer.check_at for verdict in verdicts), default=timedelta(0))
        metrics.timer_lateness_seconds.set(late.total_seconds())
        for outcome, count in Counter(verdict.outcome for verdict in verdicts).items():
            metrics.timer_decisions.labels(outcome).inc(count)
        if any(verdict.outcome is Outcome.SENT for verdict in verdicts):
            self._runtime.relay.wake()
