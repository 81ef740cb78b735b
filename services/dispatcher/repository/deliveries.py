"""The courier's queue, as far as the dispatcher touches it."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_BRING_FORWARD = text(
    """
    UPDATE deliveries SET available_at = 'epoch'
    WHERE customer_id = ANY(CAST(:customer_ids AS text[])) AND state = 'queued'
    """
)


async def bring_forward(connection: AsyncConnection, customer_ids: Sequence[str]) -> None:
    """Whatever is queued for these customers is looked at next, however long it was to wait."""
    await connection.execute(_BRING_FORWARD, {"customer_ids": list(customer_ids)})
