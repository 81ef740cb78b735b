"""Customers' orders, one document each. The customer's row must be locked before they are written."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.orders import Order
from services.alerter.repository.cases import NO_CASE_WAITING
from shared.persistence.columns import Columns
from shared.persistence.stored import read_stored

_COLUMNS = Columns(
    order_id="text", customer_key="uuid", document="jsonb", told_at="timestamptz", began_at="timestamptz"
)
_ERASED = Columns(customer_key="uuid", erased_at="timestamptz")

_READ = text("SELECT order_id, document::text AS document FROM customer_orders WHERE order_id = ANY(:ids)")
_OWNERS = text("SELECT order_id, customer_key FROM customer_orders WHERE order_id = ANY(:ids)")
_OF_CUSTOMER = text(
    """
    SELECT document::text AS document FROM customer_orders
    WHERE customer_key = :key ORDER BY told_at DESC LIMIT :limit
    """
)
_SAVE = text(
    f"""
    INSERT INTO customer_orders ({_COLUMNS.names})
    SELECT {_COLUMNS.values} FROM {_COLUMNS.given} ORDER BY order_id
    ON CONFLICT (order_id) DO UPDATE SET {_COLUMNS.updates("excluded", but="order_id")}
    """  # noqa: S608  # composed of column names, never values
)
_ERASE = text(
    f"""
    DELETE FROM customer_orders USING {_ERASED.given}
    WHERE customer_orders.customer_key = given.customer_key
      AND COALESCE(began_at, told_at) <= given.erased_at
    RETURNING order_id, given.erased_at AS erased_at
    """  # noqa: S608  # composed of column names, never values
)
_DELETE = text("DELETE FROM customer_orders WHERE order_id = ANY(:order_ids)")
_PRUNE = text(
    f"""
    DELETE FROM customer_orders WHERE order_id IN (
        SELECT order_id FROM customer_orders AS old WHERE told_at < :before AND {NO_CASE_WAITING}
        ORDER BY told_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    """  # noqa: S608  # composed of column names, never values
)


async def read(connection: AsyncConnection, order_ids: Iterable[str]) -> dict[str, Order]:
    """The known ones of these orders, by id."""
    rows = await connection.execute(_READ, {"ids": list(order_ids)})
    return {row.order_id: read_stored(Order, row.document) for row in rows}


async def owners(connection: AsyncConnection, order_ids: Collection[str]) -> dict[str, UUID]:
    """The keys of the customers of the known ones of these orders."""
    rows = await connection.execute(_OWNERS, {"ids": list(order_ids)})
    return {row.order_id: row.customer_key for row in rows}


async def of_customer(connection: AsyncConnection, key: UUID, *, limit: int) -> list[Order]:
    """A customer's latest orders."""
    rows = await connection.execute(_OF_CUSTOMER, {"key": key, "limit": limit})
    return [read_stored(Order, document) for document in rows.scalars()]


async def save(connection: AsyncConnection, orders: Sequence[tuple[UUID, Order]]) -> None:
    """``orders`` are pairs of the key of a customer this transaction has locked and the order, without duplicates."""
    if not orders:
        return
    rows = (
        {
            "order_id": order.order_id,
            "customer_key": key,
            "document": order.model_dump_json(exclude_none=True),
            "told_at": order.told_at,
            "began_at": order.began_at,
        }
        for key, order in orders
    )
    await connection.execute(_SAVE, _COLUMNS.parameters(rows))


async def erase(connection: AsyncConnection, times: Mapping[UUID, datetime]) -> dict[str, datetime]:
    """Deletes the orders that began before their customer's erasure, of customers this transaction has locked.

    Returns the ids of those orders, with the time of the erasure.
    """
    rows = ({"customer_key": key, "erased_at": at} for key, at in times.items())
    return {row.order_id: row.erased_at for row in await connection.execute(_ERASE, _ERASED.parameters(rows))}


async def delete(connection: AsyncConnection, order_ids: Collection[str]) -> int:
    """Deletes orders of customers this transaction has locked; returns how many there were."""
    return (await connection.execute(_DELETE, {"order_ids": list(order_ids)})).rowcount


async def prune(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Deletes up to ``limit`` of the oldest orders last updated before ``before``, except those of customers with a
    waiting case; returns how many."""
    return (await connection.execute(_PRUNE, {"before": before, "limit": limit})).rowcount
