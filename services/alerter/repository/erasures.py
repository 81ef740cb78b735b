"""Which customers and orders were erased: keyed digests and times, so that a late event cannot bring anything back."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.digests import CustomerDigests
from shared.persistence.columns import Columns

_CUSTOMERS = Columns(customer_digest="bytea", erased_at="timestamptz")
_ORDERS = Columns(order_digest="bytea", erased_at="timestamptz")

_OF_CUSTOMERS = text(
    "SELECT customer_digest, erased_at FROM erasures WHERE customer_digest = ANY(CAST(:digests AS bytea[]))"
)
_REMEMBER_CUSTOMERS = text(
    f"""
    INSERT INTO erasures ({_CUSTOMERS.names})
    SELECT {_CUSTOMERS.values} FROM {_CUSTOMERS.given} ORDER BY customer_digest
    ON CONFLICT (customer_digest) DO UPDATE SET erased_at = GREATEST(erasures.erased_at, excluded.erased_at)
    """  # noqa: S608  # composed of column names, never values
)
_OF_ORDERS = text(
    "SELECT order_digest, erased_at FROM erased_orders WHERE order_digest = ANY(CAST(:digests AS bytea[]))"
)
_REMEMBER_ORDERS = text(
    f"""
    INSERT INTO erased_orders ({_ORDERS.names})
    SELECT {_ORDERS.values} FROM {_ORDERS.given} ORDER BY order_digest
    ON CONFLICT (order_digest) DO UPDATE SET erased_at = GREATEST(erased_orders.erased_at, excluded.erased_at)
    """  # noqa: S608  # composed of column names, never values
)


async def of_customers(
    connection: AsyncConnection, digests: CustomerDigests, keys: Collection[UUID]
) -> dict[UUID, datetime]:
    """When the erased ones of these customers were erased."""
    by_digest = {digests.of_key(key): key for key in keys}
    rows = await connection.execute(_OF_CUSTOMERS, {"digests": list(by_digest)})
    return {by_digest[bytes(row.customer_digest)]: row.erased_at for row in rows}


async def remember_customers(
    connection: AsyncConnection, digests: CustomerDigests, times: Mapping[UUID, datetime]
) -> None:
    """Adds erasures of customers, by key; the latest of each counts."""
    rows = ({"customer_digest": digests.of_key(key), "erased_at": at} for key, at in times.items())
    await connection.execute(_REMEMBER_CUSTOMERS, _CUSTOMERS.parameters(rows))


async def of_orders(
    connection: AsyncConnection, digests: CustomerDigests, order_ids: Collection[str]
) -> dict[str, datetime]:
    """When the customers of the erased ones of these orders were erased."""
    if not order_ids:
        return {}
    by_digest = {digests.order(order_id): order_id for order_id in order_ids}
    rows = await connection.execute(_OF_ORDERS, {"digests": list(by_digest)})
    return {by_digest[bytes(row.order_digest)]: row.erased_at for row in rows}


async def remember_orders(connection: AsyncConnection, digests: CustomerDigests, times: Mapping[str, datetime]) -> None:
    """Adds erased orders, by id."""
    if times:
        rows = ({"order_digest": digests.order(order_id), "erased_at": at} for order_id, at in times.items())
        await connection.execute(_REMEMBER_ORDERS, _ORDERS.parameters(rows))
