"""Customers to whom nothing has happened for long, and everything that is kept about them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.repository import erased_digests
from shared.digests import CustomerDigests
from shared.erasures import is_erased

# Whoever was erased and did not come back goes earlier.
_BEFORE = """
    CASE WHEN erased_at IS NOT NULL AND first_event_at IS NULL AND details = '{}'
        THEN CAST(:erased_before AS timestamptz) ELSE CAST(:before AS timestamptz) END
"""
# Every order event, request and due timer leaves a decision, so the newest one tells when something last happened.
_DORMANT = f"""
    NOT EXISTS (SELECT 1 FROM timers WHERE timers.customer_id = customers.customer_id)
    AND NOT EXISTS (SELECT 1 FROM erasures WHERE erasures.customer_id = customers.customer_id)
    AND coalesce(erased_at < ({_BEFORE}), true) AND coalesce(first_event_at < ({_BEFORE}), true)
    AND coalesce(
        (SELECT decided_at < ({_BEFORE}) FROM decisions WHERE decisions.customer_id = customers.customer_id
         ORDER BY position DESC LIMIT 1),
        true
    )
    AND NOT EXISTS (
        SELECT 1 FROM jsonb_array_elements(channels) AS channel
        WHERE CAST(channel->>'changed_at' AS timestamptz) >= ({_BEFORE})
    )
"""  # noqa: S608  # composed of our own text, never values
_LOOK = text(
    f"""
    SELECT customer_id, {_DORMANT} AS dormant
    FROM (SELECT * FROM customers WHERE customer_id > :after ORDER BY customer_id LIMIT :most) AS customers
    ORDER BY customer_id
    """  # noqa: S608  # composed of our own text, never values
)
_NEXT = text("SELECT customer_id FROM customers WHERE customer_id > :after ORDER BY customer_id LIMIT :most")
_LOCK = text(
    f"""
    SELECT customer_id, erased_at FROM customers
    WHERE customer_id = ANY(CAST(:customer_ids AS text[])) AND {_DORMANT}
    ORDER BY customer_id FOR UPDATE SKIP LOCKED
    """  # noqa: S608  # composed of our own text, never values
)
# Elsewhere orders are locked before customers: here they must not be waited for.
_DELETE_ORDERS = text(
    """
    DELETE FROM orders WHERE order_id IN (
        SELECT order_id FROM orders WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
        LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING order_id, customer_id, first_event_at
    """
)
_DELETE_DELIVERIES = text(
    """
    DELETE FROM deliveries WHERE send_id IN (
        SELECT send_id::text FROM sends WHERE customer_id = ANY(CAST(:customer_ids AS text[])) LIMIT :most
    )
    """
)
_DELETE_SENDS = text(
    """
    DELETE FROM sends WHERE send_id IN (
        SELECT send_id FROM sends WHERE customer_id = ANY(CAST(:customer_ids AS text[])) LIMIT :most
    )
    """
)
_DELETE_DECISIONS = text(
    """
    DELETE FROM decisions WHERE decision_id IN (
        SELECT decision_id FROM decisions WHERE customer_id = ANY(CAST(:customer_ids AS text[])) LIMIT :most
    )
    """
)
_DELETE_RECURRENCES = text("DELETE FROM recurrences WHERE customer_id = ANY(CAST(:customer_ids AS text[]))")
_DELETE_CUSTOMERS = text(
    """
    DELETE FROM customers
    WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
      AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.customer_id = customers.customer_id)
      AND NOT EXISTS (SELECT 1 FROM sends WHERE sends.customer_id = customers.customer_id)
      AND NOT EXISTS (SELECT 1 FROM decisions WHERE decisions.customer_id = customers.customer_id)
    RETURNING customer_id, several_people
    """
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Whoever nothing has happened to since ``before`` is dormant; erased customers who did not come back, since
    ``erased_before``."""

    before: datetime
    erased_before: datetime


@dataclass(frozen=True, slots=True)
class Deleted:
    """``everything``: nothing is left of any of them. ``shared_ids`` are the ids that were many people's, among those
    of whom nothing is left."""

    everything: bool
    shared_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The dormant among the customers up to the id ``reached``; None when there are no more customers."""

    customer_ids: Sequence[str]
    reached: str | None


async def look(connection: AsyncConnection, *, after: str, bounds: Bounds, most: int) -> Found:
    """Looks at the next ``most`` customers by id for those to whom nothing has happened since ``bounds``."""
    rows = (await connection.execute(_LOOK, {"after": after, **asdict(bounds), "most": most})).all()
    return Found([row.customer_id for row in rows if row.dormant], rows[-1].customer_id if len(rows) == most else None)


async def following(connection: AsyncConnection, *, after: str, most: int) -> Sequence[str]:
    """The next ``most`` customers by id, dormant or not."""
    return (await connection.execute(_NEXT, {"after": after, "most": most})).scalars().all()


async def delete(
    connection: AsyncConnection, digests: CustomerDigests, customer_ids: Sequence[str], *, bounds: Bounds, most: int
) -> Deleted:
    """Deletes what is kept about those who are still dormant, at most ``most`` rows a table.

    Of erased customers and their orders from before it, the digests stay (``erased_digests.py``).
    """
    rows = (await connection.execute(_LOCK, {"customer_ids": list(customer_ids), **asdict(bounds)})).all()
    locked = {"customer_ids": [row.customer_id for row in rows]}
    if not rows:
        return Deleted(everything=True)
    erased = {row.customer_id: row.erased_at for row in rows if row.erased_at is not None}
    await connection.execute(_DELETE_RECURRENCES, locked)
    deleted = await connection.execute(_DELETE_ORDERS, {**locked, "most": most})
    began_before = {
        row.order_id: erased[row.customer_id]
        for row in deleted
        if is_erased(row.first_event_at, erased_at=erased.get(row.customer_id))
    }
    await erased_digests.remember_orders(connection, digests, began_before)
    for statement in (_DELETE_DELIVERIES, _DELETE_SENDS):
        await connection.execute(statement, {**locked, "most": most})
    # The log goes last: as long as it is there, they are found dormant again.
    await connection.execute(_DELETE_DECISIONS, {**locked, "most": most})
    gone = {row.customer_id: row.several_people for row in await connection.execute(_DELETE_CUSTOMERS, locked)}
    await erased_digests.remember_customers(connection, digests, {one: erased[one] for one in gone if one in erased})
    return Deleted(everything=len(gone) == len(rows), shared_ids=sorted(one for one, many in gone.items() if many))
