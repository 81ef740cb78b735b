"""SQL for the ids of erased customers, until the last record under each is removed from its topic."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PUT = text(
    """
    INSERT INTO erased_ids (customer_id, erased_at) VALUES (:customer_id, :now)
    ON CONFLICT (customer_id) DO UPDATE SET erased_at = greatest(erased_ids.erased_at, EXCLUDED.erased_at)
    """
)
_REMOVE = text("DELETE FROM erased_ids WHERE customer_id = ANY(CAST(:customer_ids AS text[]))")
_TAKE = text(
    """
    DELETE FROM erased_ids WHERE customer_id IN (
        SELECT customer_id FROM erased_ids WHERE erased_at < :before ORDER BY erased_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    RETURNING customer_id, EXISTS (
        SELECT FROM preferences WHERE preferences.customer_id = erased_ids.customer_id
    ) AS came_back
    """
)


@dataclass(frozen=True, slots=True)
class Taken:
    """``came_back`` are the customers who have preferences again."""

    customer_ids: list[str]
    came_back: set[str]


async def put(connection: AsyncConnection, customer_id: str, now: datetime) -> None:
    await connection.execute(_PUT, {"customer_id": customer_id, "now": now})


async def remove(connection: AsyncConnection, customer_ids: Collection[str]) -> None:
    """To be called before new preferences of the customers are published, so that their removal is either published
    before or never."""
    await connection.execute(_REMOVE, {"customer_ids": sorted(customer_ids)})


async def take(connection: AsyncConnection, before: datetime, limit: int) -> Taken:
    """Deletes up to ``limit`` ids erased before ``before``, the oldest first."""
    rows = (await connection.execute(_TAKE, {"before": before, "limit": limit})).all()
    return Taken([row.customer_id for row in rows], {row.customer_id for row in rows if row.came_back})
