"""Customers to whom nothing has happened for long, and everything that is kept about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Every order event, request and due timer leaves a decision, so the newest one tells when something last happened.
_DORMANT = """
    NOT EXISTS (SELECT 1 FROM timers WHERE timers.customer_id = customers.customer_id)
    AND NOT EXISTS (SELECT 1 FROM erasures WHERE erasures.customer_id = customers.customer_id)
    AND coalesce(erased_at < :before, true) AND coalesce(first_event_at < :before, true)
    AND coalesce(
        (SELECT decided_at < :before FROM decisions WHERE decisions.customer_id = customers.customer_id
         ORDER BY position DESC LIMIT 1),
        true
    )
    AND NOT EXISTS (
        SELECT 1 FROM jsonb_array_elements(channels) AS channel
        WHERE CAST(channel->>'changed_at' AS timestamptz) >= :before
    )
"""
_LOOK = text(
    f"""
    SELECT customer_id, {_DORMANT} AS dormant
    FROM (SELECT * FROM customers WHERE customer_id > :after ORDER BY customer_id LIMIT :most) AS customers
    ORDER BY customer_id
    """  # noqa: S608  # composed of our own text, never values
)
_LOCK = text(
    f"""
    SELECT customer_id FROM customers WHERE customer_id = ANY(CAST(:customer_ids AS text[])) AND {_DORMANT}
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
    """
)


@dataclass(frozen=True, slots=True)
class Found:
    """The dormant among the customers up to the id ``reached``; None when there are no more customers."""

    customer_ids: Sequence[str]
    reached: str | None


async def look(connection: AsyncConnection, *, after: str, before: datetime, most: int) -> Found:
    """Looks at the next ``most`` customers by id for those to whom nothing has happened since ``before``."""
    rows = (await connection.execute(_LOOK, {"after": after, "before": before, "most": most})).all()
    return Found([row.customer_id for row in rows if row.dormant], rows[-1].customer_id if len(rows) == most else None)


async def delete(connection: AsyncConnection, customer_ids: Sequence[str], *, before: datetime, most: int) -> bool:
    """Deletes what is kept about those who are still dormant, at most ``most`` rows a table; True when all is gone."""
    rows = await connection.execute(_LOCK, {"customer_ids": list(customer_ids), "before": before})
    locked = {"customer_ids": [row.customer_id for row in rows]}
    if not locked["customer_ids"]:
        return True
    await connection.execute(_DELETE_RECURRENCES, locked)
    for statement in (_DELETE_ORDERS, _DELETE_DELIVERIES, _DELETE_SENDS):
        await connection.execute(statement, {**locked, "most": most})
    # The log goes last: as long as it is there, they are found dormant again.
    await connection.execute(_DELETE_DECISIONS, {**locked, "most": most})
    gone = await connection.execute(_DELETE_CUSTOMERS, locked)
    return gone.rowcount == len(locked["customer_ids"])
