"""Which customers and orders were erased, once nothing else is kept about them: keyed digests and times, so that a
late event cannot bring anything back."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.digests import CustomerDigests
from shared.persistence.columns import Columns

_CUSTOMERS = Columns(customer_digest="bytea", erased_at="timestamptz")
_ORDERS = Columns(order_digest="bytea", erased_at="timestamptz")

_OF_CUSTOMERS = text(
    "SELECT customer_digest, erased_at FROM erased_customers WHERE customer_digest = ANY(CAST(:digests AS bytea[]))"
)
_REMEMBER_CUSTOMERS = text(
    f"""
    INSERT INTO erased_customers ({_CUSTOMERS.names})
    SELECT {_CUSTOMERS.values} FROM {_CUSTOMERS.given} ORDER BY customer_digest
    ON CONFLICT (customer_digest) DO UPDATE SET erased_at = GREATEST(erased_customers.erased_at, excluded.erased_at)
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
    connection: AsyncConnection, digests: CustomerDigests, customer_ids: Collection[str]
) -> dict[str, datetime]:
    """When the erased ones of these customers were erased."""
    by_digest = {digests.digest(customer_id): customer_id for customer_id in customer_ids}
    rows = await connection.execute(_OF_CUSTOMERS, {"digests": list(by_digest)})
    return {by_digest[bytes(row.customer_digest)]: row.erased_at for row in rows}


async def remember_customers(
    connection: AsyncConnection, digests: CustomerDigests, times: Mapping[str, datetime]
) -> None:
    """Adds erasures of customers, by id; the latest of each counts."""
    if times:
        rows = ({"customer_digest": digests.digest(one), "erased_at": at} for one, at in times.items())
        await connection.execute(_REMEMBER_CUSTOMERS, _CUSTOMERS.parameters(rows))


async def of_orders(
    connection: AsyncConnection, digests: CustomerDigests, order_ids: Collection[str]
) -> dict[str, datetime]:
    """When the customers of the erased ones of these orders were erased: they had begun by then."""
    by_digest = {digests.order(order_id): order_id for order_id in order_ids}
    rows = await connection.execute(_OF_ORDERS, {"digests": list(by_digest)})
    return {by_digest[bytes(row.order_digest)]: row.erased_at for row in rows}


async def remember_orders(connection: AsyncConnection, digests: CustomerDigests, times: Mapping[str, datetime]) -> None:
    """Adds orders of erased customers, by id."""
    if times:
        rows = ({"order_digest": digests.order(one), "erased_at": at} for one, at in times.items())
        await connection.execute(_REMEMBER_ORDERS, _ORDERS.parameters(rows))
