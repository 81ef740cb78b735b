"""Customers' contact details.

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
from services.alerter.repository import erasures
from services.alerter.repository.cases import NO_CASE_WAITING
from shared.digests import CustomerDigests
from shared.erasures import is_erased
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement
from shared.persistence.stored import read_stored

_COLUMNS = Columns(customer_key="uuid", document="jsonb", told_at="timestamptz")

# Adds the missing ones and locks the others, all in the order of their keys: two statements, one for each, would take
# locks in two orders, and two replicas could each wait for the other.
_LOCK = Statement(
    """
    INSERT INTO customers (customer_key)
    SELECT customer_key FROM unnest(CAST(:keys AS uuid[])) AS customer_key ORDER BY customer_key
    ON CONFLICT (customer_key) DO UPDATE SET told_at = customers.told_at WHERE false
    """
)
_READ_LOCKED = Statement(
    """
    SELECT customer_key, customers.document::text AS document,
           GREATEST(customers.erased_at, erasures.erased_at) AS erased_at,
           shared_ids.customer_digest IS NOT NULL AS shared
    FROM unnest(CAST(:keys AS uuid[]), CAST(:digests AS bytea[])) AS given (customer_key, customer_digest)
    JOIN customers USING (customer_key)
    LEFT JOIN erasures USING (customer_digest)
    LEFT JOIN shared_ids USING (customer_digest)
    """
)
_SAVE = Statement(
    f"""
    UPDATE customers SET {_COLUMNS.updates("given", but="customer_key")}
    FROM {_COLUMNS.given} WHERE customers.customer_key = given.customer_key
    """  # noqa: S608  # composed of column names, never values
)
_READ = Statement(
    """
    SELECT customer_key, document::text AS document FROM customers
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND document IS NOT NULL
    """
)
_HOLDS_NOTHING = """NOT EXISTS (SELECT FROM customer_orders AS kept WHERE kept.customer_key = old.customer_key)
          AND NOT EXISTS (SELECT FROM customer_surveys AS kept WHERE kept.customer_key = old.customer_key)"""
_CLEAR = text(
    """
    UPDATE customers SET document = NULL, told_at = NULL
    WHERE customer_key = ANY(CAST(:keys AS uuid[]))
    """
)
_DELETE_EMPTY = text(
    f"""
    DELETE FROM customers AS old
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND document IS NULL AND erased_at IS NULL
      AND {_HOLDS_NOTHING}
    """  # noqa: S608  # composed of column names, never values
)
_LOCK_EMPTY = text(
    f"""
    SELECT customer_key, erased_at FROM customers AS old
    WHERE (document IS NULL OR erased_at IS NOT NULL)
      AND (erased_at IS NOT NULL OR ({_HOLDS_NOTHING}))
    ORDER BY customer_key LIMIT :limit FOR UPDATE SKIP LOCKED
    """  # noqa: S608  # composed of column names, never values
)
_FORGET_TIMES = text("UPDATE customers SET erased_at = NULL WHERE customer_key = ANY(CAST(:keys AS uuid[]))")
_PRUNE = text(
    f"""
    DELETE FROM customers WHERE customer_key IN (
        SELECT customer_key FROM customers AS old
        WHERE document IS NOT NULL AND erased_at IS NULL AND told_at < :before
          AND {NO_CASE_WAITING}
          AND {_HOLDS_NOTHING}
        ORDER BY told_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    """  # noqa: S608  # composed of column names, never values
)


@dataclass(frozen=True, slots=True)
class LockedCustomer:
    """A customer's row, locked until the transaction ends; ``customer`` is None while nothing is known about them.

    ``shared`` means that their id turned out to be many people's.
    """

    customer: Customer | None
    erased_at: datetime | None
    shared: bool = False

    def may_keep(self, told_at: datetime) -> bool:
        """Whether data about the customer from that time may be written."""
        return not is_erased(told_at, erased_at=self.erased_at)


async def lock(
    connection: AsyncConnection, digests: CustomerDigests, keys: Collection[UUID]
) -> dict[UUID, LockedCustomer]:
    """The rows of these customers, added if missing, locked until the transaction ends; and when they were erased."""
    if not keys:
        return {}
    wanted = sorted(set(keys))
    await _LOCK.changes(connection, {"keys": wanted})
    # Read after the lock was taken: an erasure that held it is visible now.
    rows = await _READ_LOCKED.rows(connection, {"keys": wanted, "digests": [digests.of_key(key) for key in wanted]})
    return {
        row["customer_key"]: LockedCustomer(
            None if row["document"] is None else read_stored(Customer, row["document"]),
            row["erased_at"],
            row["shared"],
        )
        for row in rows
    }


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
    await _SAVE.changes(connection, _COLUMNS.parameters(rows))


async def read(connection: AsyncConnection, keys: Iterable[UUID]) -> dict[UUID, Customer]:
    """The known ones of these customers, by key."""
    rows = await _READ.rows(connection, {"keys": list(keys)})
    return {row.customer_key: read_stored(Customer, row.document) for row in rows}


async def erase(connection: AsyncConnection, keys: Collection[UUID]) -> None:
    """Clears customers this transaction has locked, and deletes those without an order or survey left."""
    if keys:
        await connection.execute(_CLEAR, {"keys": list(keys)})
        await connection.execute(_DELETE_EMPTY, {"keys": list(keys)})


async def forget_details(connection: AsyncConnection, keys: Collection[UUID]) -> None:
    """Clears customers this transaction has locked, whose details may be somebody else's."""
    if keys:
        await connection.execute(_CLEAR, {"keys": list(keys)})


async def prune(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Deletes up to ``limit`` customers last updated before ``before`` who have no order, survey or waiting case left;
    returns how many."""
    return (await connection.execute(_PRUNE, {"before": before, "limit": limit})).rowcount


async def prune_empty(connection: AsyncConnection, digests: CustomerDigests, *, limit: int) -> int:
    """Deletes up to ``limit`` rows that hold nothing, and puts the keyed digest in place of those that tell of an
    erasure; returns how many."""
    rows = (await connection.execute(_LOCK_EMPTY, {"limit": limit})).all()
    if erased := {row.customer_key: row.erased_at for row in rows if row.erased_at is not None}:
        await erasures.remember_customers(connection, digests, erased)
        await connection.execute(_FORGET_TIMES, {"keys": list(erased)})
    await connection.execute(_DELETE_EMPTY, {"keys": [row.customer_key for row in rows]})
    return len(rows)
