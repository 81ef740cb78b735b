"""The part of the courier's queue that the dispatcher writes."""

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
    """Makes everything queued for these customers due now, skipping any backoff."""
    await connection.execute(_BRING_FORWARD, {"customer_ids": list(customer_ids)})
