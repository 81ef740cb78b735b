"""Deletes customer data that has passed its retention, in bounded batches."""

from datetime import timedelta

from services.alerter.repository import customers, orders, surveys
from services.alerter.settings import AlerterSettings
from shared.runtime import Runtime

_MAX_ROWS = 5_000


class RetentionLoop:
    def __init__(self, runtime: Runtime[AlerterSettings]) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Deletes the oldest orders and surveys, and customers left without either; True when there may be more.

        Those of customers with a waiting case are kept.
        """
        before = self._runtime.clock.now() - timedelta(days=self._runtime.settings.customer_history_days)
        async with self._runtime.transaction() as connection:
            removed = await orders.prune(connection, before, limit=_MAX_ROWS)
            removed += await surveys.prune(connection, before, limit=_MAX_ROWS)
            removed += await customers.prune(connection, before, limit=_MAX_ROWS)
        return removed >= _MAX_ROWS
