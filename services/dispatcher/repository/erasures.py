"""Erasures that are not finished yet: of customers with more orders than fit into one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PUT = text(
    """
    INSERT INTO erasures (customer_id, reached)
    SELECT customer_id, :reached FROM unnest(CAST(:customer_ids AS text[])) AS given (customer_id)
    ON CONFLICT (customer_id) DO UPDATE SET reached = excluded.reached
    """
)
_FIRST = text("SELECT customer_id, reached FROM erasures ORDER BY customer_id LIMIT 1")
_ADVANCE = text("UPDATE erasures SET reached = :to WHERE customer_id = :customer_id AND reached = :reached")
_REMOVE = text("DELETE FROM erasures WHERE customer_id = :customer_id AND reached = :reached")


@dataclass(frozen=True, slots=True)
class PendingErasure:
    """The orders of ``customer_id`` are cleared up to the id ``reached``."""

    customer_id: str
    reached: str


async def put(connection: AsyncConnection, customer_ids: Sequence[str], reached: str) -> None:
    """Begins them, or begins them again; their orders are cleared up to the id ``reached``."""
    await connection.execute(_PUT, {"customer_ids": list(customer_ids), "reached": reached})


async def first(connection: AsyncConnection) -> PendingErasure | None:
    row = (await connection.execute(_FIRST)).one_or_none()
    return None if row is None else PendingErasure(row.customer_id, row.reached)


async def advance(connection: AsyncConnection, pending: PendingErasure, to: str) -> None:
    """Unless it has begun again since."""
    await connection.execute(_ADVANCE, {"customer_id": pending.customer_id, "reached": pending.reached, "to": to})


async def remove(connection: AsyncConnection, pending: PendingErasure) -> None:
    """It is finished, unless it has begun again since."""
    await connection.execute(_REMOVE, {"customer_id": pending.customer_id, "reached": pending.reached})
