"""Preference changes that arrived before their send: applied with it, or dropped if it never comes."""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions import deliveries
from services.collector.actions.preferences import apply
from services.collector.domain.preferences import CUSTOMERS_OWN, RequestedChange
from services.collector.repository import pending_preferences, sends
from services.collector.settings import CollectorSettings
from shared import metrics
from shared.contracts import topics
from shared.persistence.transaction import transaction
from shared.runtime import Runtime

log = structlog.get_logger()


async def settle(connection: AsyncConnection, runtime: Runtime[CollectorSettings], send_ids: Sequence[str]) -> None:
    """Applies the changes that were pending for these sends; of several by one customer, the last, and every bounce and
    complaint. The transaction must have called ``pending_preferences.hold_off_changes`` before it added the sends."""
    taken = await pending_preferences.take(connection, send_ids)
    if not taken:
        return
    recipients = await sends.read_recipients(connection, [pending.send_id for pending in taken])
    last: dict[str, RequestedChange] = {}
    chosen = [pending for pending in taken if pending.change in CUSTOMERS_OWN]
    for pending in sorted(chosen, key=lambda pending: pending.requested_at):
        if (recipient := recipients.get(pending.send_id)) is not None:
            last[recipient.customer_id] = RequestedChange(
                recipient, pending.change, pending.requested_at, was_pending=True
            )
    await apply(connection, runtime, last.values())
    told = {pending.send_id: pending for pending in taken if pending.change not in CUSTOMERS_OWN}
    await deliveries.settle(connection, runtime, told)
    metrics.pending_preferences.labels("settled").inc(len(taken))


async def prune(runtime: Runtime[CollectorSettings]) -> bool:
    """Drops one batch of changes older than Kafka's retention of sends, whose send will therefore never come; True when
    there may be more."""
    days, limit = topics.SENDS.retention_days, runtime.settings.prune_batch_size
    assert days is not None
    async with transaction(runtime.engine) as connection:
        dropped = await pending_preferences.prune(connection, runtime.clock.now() - timedelta(days=days), limit)
    if dropped:
        metrics.pending_preferences.labels("dropped").inc(dropped)
        log.warning("pending preferences dropped: their survey was deleted or never came", count=dropped, days=days)
    return dropped == limit
