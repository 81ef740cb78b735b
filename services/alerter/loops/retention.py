"""Deletes customer data that has passed its retention, in bounded batches."""

from datetime import timedelta

from services.alerter.repository import cases, customers, orders, surveys
from services.alerter.settings import AlerterSettings
from shared.runtime import Runtime

_MAX_ROWS = 5_000
_MAX_CASES = 1_000
"""Each with its history of up to hundreds of entries."""


class RetentionLoop:
    def __init__(self, runtime: Runtime[AlerterSettings]) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Deletes what has passed its retention; True when there may be more.

        Orders and surveys go after ``customer_history_days``, then customers left without either, but not while one of
        their cases is waiting. Closed cases go after ``case_days``.
        """
        runtime, now = self._runtime, self._runtime.clock.now()
        history_before = now - timedelta(days=runtime.settings.customer_history_days)
        cases_before = now - timedelta(days=runtime.settings.case_days)
        # A transaction each, so that none holds its locks for longer than one statement needs.
        removed = []
        async with runtime.transaction() as connection:
            removed.append(await orders.prune(connection, history_before, limit=_MAX_ROWS))
        async with runtime.transaction() as connection:
            removed.append(await surveys.prune(connection, history_before, limit=_MAX_ROWS))
        async with runtime.transaction() as connection:
            removed.append(await customers.prune(connection, history_before, limit=_MAX_ROWS))
        async with runtime.transaction() as connection:
            removed.append(await customers.prune_empty(connection, runtime.digests, limit=_MAX_ROWS))
        async with runtime.transaction() as connection:
            removed.append(await cases.prune(connection, cases_before, limit=_MAX_CASES))
        return max(removed) >= _MAX_CASES
