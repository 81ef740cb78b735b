"""Resolves messages that may or may not have arrived: their courier died, or the connection broke too early."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog

from services.dispatcher.courier.actions import deliveries as actions
from services.dispatcher.courier.channels.channel import Channel
from services.dispatcher.courier.domain import unresolved as rules
from services.dispatcher.courier.domain.deliveries import UnresolvedDelivery
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.settings import CourierSettings
from shared import metrics
from shared.persistence.transaction import transaction
from shared.runtime import Runtime
from shared.watermark import First, Watermark

log = structlog.get_logger()

BATCH = 50
CONCURRENT_CHECKS = 8
CHECK_AGAIN_SECONDS = 5.0


class UnresolvedLoop:
    """Asks the channel whether its messages were accepted; without receipts, ``courier_unknown_outcome`` decides."""

    def __init__(self, runtime: Runtime[CourierSettings], channel: Channel[Any]) -> None:
        self._runtime = runtime
        self._channel = channel
        self._watermark = Watermark(time.monotonic)

    async def step(self) -> bool:
        """Resolves up to BATCH messages whose lease has ended. True when there may be more."""
        runtime, channel = self._runtime, self._channel
        settings, claim = runtime.settings, uuid4()
        if not (await self._watermark.look(self._find)).due:
            return False
        async with transaction(runtime.engine) as connection:
            found = await repository.take_unresolved(
                connection,
                claim,
                channel.name,
                since=self._watermark.position,
                limit=BATCH,
                lease=settings.courier_lease_seconds,
            )
        if not found:
            return False
        if channel.has_receipts:
            results = rules.by_receipts(await self._ask(found))
        else:
            decision = settings.courier_unknown_outcome
            log.warning("outcome unknown", channel=channel.name, deliveries=len(found), decision=decision)
            results = rules.without_receipts(found, decision)
        await actions.write_results(
            runtime, claim, results, channel=channel.name, provider=channel.provider, check_after=CHECK_AGAIN_SECONDS
        )
        metrics.courier_deliveries.labels("resent").inc(len(results.retries))
        return len(found) == BATCH

    async def _find(self, since: datetime) -> First:
        async with self._runtime.autocommit() as connection:
            return await repository.first_transmitting(connection, self._channel.name, since=since)

    async def _ask(self, found: Mapping[str, UnresolvedDelivery]) -> dict[str, bool | None]:
        """Send id to whether its message was accepted; None if there was no reply."""
        slots = asyncio.Semaphore(CONCURRENT_CHECKS)

        async def ask(message_id: str) -> bool | None:
            async with slots:
                try:
                    return await self._channel.was_accepted(message_id)
                except Exception as error:
                    # A channel raises only by mistake: this one is asked about again, the others are not held up.
                    log.error("asking about an email failed unexpectedly", error=type(error).__name__)
                    return None

        receipts = await asyncio.gather(*(ask(delivery.message_id) for delivery in found.values()))
        return dict(zip(found, receipts, strict=True))
