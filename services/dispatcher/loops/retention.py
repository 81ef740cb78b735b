"""Deletes everything about customers to whom nothing has happened for long, a slice at a time.

Whoever was erased goes earlier, and leaves a digest, by which late events still find that they were.
"""

from datetime import timedelta

import structlog

from services.dispatcher.repository import campaigns, dormant
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import shared_ids
from shared.persistence.engine import is_fault_of_data, what_failed
from shared.runtime import Runtime

log = structlog.get_logger()

_CUSTOMERS = 500
_ROWS = 5_000


class RetentionLoop:
    """Walks all customers by id, again and again; where it stands is not worth keeping.

    Customers whose data cannot be read are told of once, and passed over.
    """

    def __init__(self, runtime: Runtime[DispatcherSettings]) -> None:
        self._runtime = runtime
        self._after = ""
        self._told: set[str] = set()

    async def step(self) -> bool:
        """Looks at the next customers. True when it has not been through all of them."""
        try:
            return await self._look(_CUSTOMERS)
        except Exception as error:
            if not is_fault_of_data(error):
                raise
        return await self._one_by_one()

    async def _one_by_one(self) -> bool:
        async with self._runtime.autocommit() as connection:
            customer_ids = await dormant.following(connection, after=self._after, most=_CUSTOMERS)
        for customer_id in customer_ids:
            try:
                await self._look(1)
                if self._after != customer_id:
                    return True  # there was more than one slice, or some of it was locked
            except Exception as error:
                if not is_fault_of_data(error):
                    raise
                self._after = customer_id
                if customer_id not in self._told:
                    self._told.add(customer_id)
                    log.error("a customer cannot be read and is kept beyond the retention", error=what_failed(error))
        more = len(customer_ids) == _CUSTOMERS
        self._after = customer_ids[-1] if more else ""
        return more

    async def _look(self, most: int) -> bool:
        settings, now = self._runtime.settings, self._runtime.clock.now()
        async with self._runtime.transaction() as connection:
            # What the quiet period is decided by is kept as long as any campaign looks back.
            current = (await campaigns.all_of_them(connection)).values()
            quiet = max((each.campaign.quiet_for(settings.quiet_period) for each in current), default=timedelta(0))
            bounds = dormant.Bounds(
                before=now - max(timedelta(days=settings.customer_retention_days), quiet),
                erased_before=now - max(settings.erased_id_period, quiet),
            )
            found = await dormant.look(connection, after=self._after, bounds=bounds, most=most)
            deleted = await dormant.delete(
                connection, self._runtime.digests, found.customer_ids, bounds=bounds, most=_ROWS
            )
            # Other services go on knowing them, by digests; Kafka forgets the ids themselves.
            await self._runtime.outbox.remove(connection, shared_ids.TOPIC, deleted.shared_ids)
            if not deleted.everything:
                return True  # the same ones again: there was more than one slice, or some of it was locked
        self._after = found.reached or ""
        return found.reached is not None
