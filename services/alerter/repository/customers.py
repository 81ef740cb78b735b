"""Customers' contact details, and when erased customers were erased.

A customer's row is locked before any of their data is written, orders and surveys included, so that a concurrent
erasure and order on two replicas are serialised.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.customers import Customer
from services.alerter.repository.cases import NO_CASE_WAITING
from shared.erasures import is_erased
from shared.persistence.columns import Columns

_COLUMNS = Columns(customer_key="uuid", document="jsonb", told_at="timestamptz")
_ERASED_COLUMNS = Columns(customer_key="uuid", erased_at="timestamptz")

_ADD_MISSING = text(
    """
    INSERT INTO customers (customer_key)
    SELECT customer_key FROM unnest(CAST(:keys AS uuid[])) AS customer_key ORDER BY customer_key
    ON CONFLICT DO NOTHING
    """
)
_LOCK = text(
    """
    SELECT customer_key, document::text AS document, erased_at FROM customers
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) ORDER BY customer_key FOR UPDATE
    """
)
_SAVE = text(
    f"""
    UPDATE customers SET {_COLUMNS.updates("given", but="customer_key")}
    FROM {_COLUMNS.given} WHERE customers.customer_key = given.customer_key
    """  # noqa: S608  # composed of column names, never values
)
_READ = text(
    """
    SELECT customer_key, document::text AS document FROM customers
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND document IS NOT NULL
    """
)
_ERASURES = text(
    """
    SELECT customer_key, erased_at FROM customers
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND erased_at IS NOT NULL
    """
)
_ERASE = text(
    f"""
    UPDATE customers SET document = NULL, told_at = NULL, erased_at = GREATEST(customers.erased_at, given.erased_at)
    FROM {_ERASED_COLUMNS.given} WHERE customers.customer_key = given.customer_key
    """  # noqa: S608  # composed of column names, never values
)
_PRUNE = text(
    f"""
    DELETE FROM customers WHERE customer_key IN (
        SELECT customer_key FROM customers AS old
        WHERE document IS NOT NULL AND erased_at IS NULL AND told_at < :before
          AND {NO_CASE_WAITING}
          AND NOT EXISTS (SELECT FROM customer_orders AS kept WHERE kept.customer_key = old.customer_key)
          AND NOT EXISTS (SELECT FROM customer_surveys AS kept WHERE kept.customer_key = old.customer_key)
        ORDER BY told_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    """  # noqa: S608  # composed of column names, never values
)


@dataclass(frozen=True, slots=True)
class LockedCustomer:
    """A customer's row, locked until the transaction ends; ``customer`` is None while nothing is known about them."""

    customer: Customer | None
    erased_at: datetime | None

    def may_keep(self, told_at: datetime) -> bool:
        """Whether data about the customer from that time may be written."""
        return not is_erased(told_at, erased_at=self.erased_at)


async def lock(connection: AsyncConnection, keys: Collection[UUID]) -> dict[UUID, LockedCustomer]:
    """The rows of these customers, added if missing, locked until the transaction ends."""
    locked: dict[UUID, LockedCustomer] = {}
    # A second round is only needed if a row was deleted by the retention between the two statements.
    while missing := sorted(set(keys) - set(locked)):
        await connection.execute(_ADD_MISSING, {"keys": missing})
        for row in await connection.execute(_LOCK, {"keys": missing}):
            customer = None if row.document is None else Customer.model_validate_json(row.document)
            locked[row.customer_key] = LockedCustomer(customer, row.erased_at)
    return locked


async def save(connection: AsyncConnection, customers: Mapping[UUID, Customer]) -> None:
    """Writes customers this transaction has locked."""
    if not customers:
        return
    rows = (
        {
            "customer_key": key,
            "document": customer.model_dump_json(exclude_none=True),
            "told_at": max(customer.told.values(), default=None),
        }
        for key, customer in customers.items()
    )
    await connection.execute(_SAVE, _COLUMNS.parameters(rows))


async def read(connection: AsyncConnection, keys: Iterable[UUID]) -> dict[UUID, Customer]:
    """The known ones of these customers, by key."""
    rows = await connection.execute(_READ, {"keys": list(keys)})
    return {row.customer_key: Customer.model_validate_json(row.document) for row in rows}


async def erasures(connection: AsyncConnection, keys: Iterable[UUID]) -> dict[UUID, datetime]:
    """When the erased ones of these customers were erased."""
    rows = await connection.execute(_ERASURES, {"keys": list(keys)})
    return {row.customer_key: row.erased_at for row in rows}


async def erase(connection: AsyncConnection, times: Mapping[UUID, datetime]) -> None:
    """Clears the rows of customers this transaction has locked, keeping when they were erased."""
    rows = ({"customer_key": key, "erased_at": at} for key, at in times.items())
    await connection.execute(_ERASE, _ERASED_COLUMNS.parameters(rows))


async def prune(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Deletes up to ``limit`` customers last updated before ``before`` who have no order, survey or waiting case left;
    returns how many. The rows of erased customers are kept."""
    return (await connection.execute(_PRUNE, {"before": before, "limit": limit})).rowcount
