"""Erasures that are not finished yet: of customers with more orders than fit into one transaction.

One that failed because of what is stored about its customer is put aside for a while.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PUT = text(
    """
    INSERT INTO erasures (customer_id, reached)
    SELECT customer_id, :reached FROM unnest(CAST(:customer_ids AS text[])) AS given (customer_id)
    ON CONFLICT (customer_id) DO UPDATE SET reached = excluded.reached, tries = 0, retry_at = NULL
    """
)
_FIRST = text(
    """
    SELECT customer_id, reached, tries FROM erasures
    WHERE retry_at IS NULL OR retry_at <= now()
    ORDER BY customer_id LIMIT 1
    """
)
_ADVANCE = text(
    """
    UPDATE erasures SET reached = :to, tries = 0, retry_at = NULL
    WHERE customer_id = :customer_id AND reached = :reached
    """
)
_PUT_ASIDE = text(
    """
    UPDATE erasures SET tries = :tries, retry_at = now() + make_interval(secs => :pause)
    WHERE customer_id = :customer_id AND reached = :reached
    """
)
_PUT_FOR_GUESTS_UNDER = text(
    """
    INSERT INTO erasures (customer_id, reached)
    SELECT DISTINCT guest.customer_id, ''
    FROM orders CROSS JOIN LATERAL unnest(guest_ids) AS told (guest_id)
    JOIN customers AS guest ON guest.customer_id = told.guest_id
    WHERE orders.customer_id = ANY(CAST(:customer_ids AS text[])) AND guest.erased_at IS NOT NULL
    ON CONFLICT (customer_id) DO UPDATE SET reached = excluded.reached, tries = 0, retry_at = NULL
    """
)
_REMOVE = text("DELETE FROM erasures WHERE customer_id = :customer_id AND reached = :reached")


@dataclass(frozen=True, slots=True)
class PendingErasure:
    """The orders of ``customer_id`` are cleared up to the id ``reached``; ``tries`` to go on failed since."""

    customer_id: str
    reached: str
    tries: int


async def put(connection: AsyncConnection, customer_ids: Sequence[str], reached: str) -> None:
    """Begins them, or begins them again; their orders are cleared up to the id ``reached``."""
    await connection.execute(_PUT, {"customer_ids": list(customer_ids), "reached": reached})


async def put_for_guests_under(connection: AsyncConnection, customer_ids: Sequence[str]) -> None:
    """Begins again those of guests who ordered under one of these ids, which turned out to be many people's."""
    await connection.execute(_PUT_FOR_GUESTS_UNDER, {"customer_ids": list(customer_ids)})


async def first(connection: AsyncConnection) -> PendingErasure | None:
    """The first of those that are not put aside."""
    row = (await connection.execute(_FIRST)).one_or_none()
    return None if row is None else PendingErasure(row.customer_id, row.reached, row.tries)


async def advance(connection: AsyncConnection, pending: PendingErasure, to: str) -> None:
    """Unless it has begun again since."""
    await connection.execute(_ADVANCE, {"customer_id": pending.customer_id, "reached": pending.reached, "to": to})


async def put_aside(connection: AsyncConnection, pending: PendingErasure, *, seconds: float) -> None:
    """It failed once more, and is not tried for so many seconds."""
    values = {"customer_id": pending.customer_id, "reached": pending.reached}
    await connection.execute(_PUT_ASIDE, {**values, "tries": pending.tries + 1, "pause": seconds})


async def remove(connection: AsyncConnection, pending: PendingErasure) -> None:
    """It is finished, unless it has begun again since."""
    await connection.execute(_REMOVE, {"customer_id": pending.customer_id, "reached": pending.reached})
