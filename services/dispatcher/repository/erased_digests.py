"""Which customers and orders were erased, once nothing else is kept about them."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.digests import CustomerDigests
from shared.persistence.erased_digests import ErasedDigests

_CUSTOMERS = ErasedDigests("erased_customers", "customer_digest")
_ORDERS = ErasedDigests("erased_orders", "order_digest")


async def of_customers(
    connection: AsyncConnection, digests: CustomerDigests, customer_ids: Collection[str]
) -> dict[str, datetime]:
    """When the erased ones of these customers were erased."""
    return await _CUSTOMERS.read(connection, {digests.digest(customer_id): customer_id for customer_id in customer_ids})


async def remember_customers(
    connection: AsyncConnection, digests: CustomerDigests, times: Mapping[str, datetime]
) -> None:
    """Adds erasures of customers, by id; the latest of each counts."""
    await _CUSTOMERS.remember(connection, {digests.digest(customer_id): at for customer_id, at in times.items()})


async def of_orders(
    connection: AsyncConnection, digests: CustomerDigests, order_ids: Collection[str]
) -> dict[str, datetime]:
    """When the customers of the erased ones of these orders were erased: they had begun by then."""
    return await _ORDERS.read(connection, {digests.order(order_id): order_id for order_id in order_ids})


async def remember_orders(connection: AsyncConnection, digests: CustomerDigests, times: Mapping[str, datetime]) -> None:
    """Adds orders of erased customers, by id."""
    await _ORDERS.remember(connection, {digests.order(order_id): at for order_id, at in times.items()})
