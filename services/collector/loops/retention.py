"""Deletes what has passed its retention."""

from services.collector.actions import erasures, pending_preferences, sends
from services.collector.settings import CollectorSettings
from shared.runtime import Runtime


class RetentionLoop:
    """Deletes long-closed surveys, pending preferences whose send never came, and the orders and ids of customers
    erased long ago, in bounded batches."""

    def __init__(self, runtime: Runtime[CollectorSettings]) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Deletes one batch of each; True when there may be more."""
        more_sends = await sends.prune(self._runtime)
        more_pending = await pending_preferences.prune(self._runtime)
        more_orders = await erasures.prune(self._runtime)
        more_ids = await erasures.forget_ids(self._runtime)
        return more_sends or more_pending or more_orders or more_ids
