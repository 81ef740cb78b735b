"""Deletes everything about customers to whom nothing has happened for long, a slice at a time.

Whoever was erased goes earlier, and leaves a digest, by which late events still find that they were.
"""

from datetime import timedelta

from services.dispatcher.repository import campaigns, dormant
from services.dispatcher.settings import DispatcherSettings
from shared.runtime import Runtime

_CUSTOMERS = 500
_ROWS = 5_000


class RetentionLoop:
    """Walks all customers by id, again and again; where it stands is not worth keeping."""

    def __init__(self, runtime: Runtime[DispatcherSettings]) -> None:
        self._runtime = runtime
        self._after = ""

    async def step(self) -> bool:
        """Looks at the next customers. True when it has not been through all of them."""
        settings, now = self._runtime.settings, self._runtime.clock.now()
        async with self._runtime.engine.begin() as connection:
            # What the quiet period is decided by is kept as long as any campaign looks back.
            current = (await campaigns.all_of_them(connection)).values()
            quiet = max((each.campaign.quiet_for(settings.quiet_period) for each in current), default=timedelta(0))
            bounds = dormant.Bounds(
                before=now - max(timedelta(days=settings.customer_retention_days), quiet),
                erased_before=now - max(settings.erased_id_period, quiet),
            )
            found = await dormant.look(connection, after=self._after, bounds=bounds, most=_CUSTOMERS)
            if found.customer_ids and not await dormant.delete(
                connection, self._runtime.digests, found.customer_ids, bounds=bounds, most=_ROWS
            ):
                return True  # the same ones again: there was more than one slice, or some of it was locked
        self._after = found.reached or ""
        return found.reached is not None
