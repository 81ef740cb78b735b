"""Customers' orders, one document each. The customer's row must be locked before they are written."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.orders import Order
from services.alerter.repository.cases import NO_CASE_WAITING
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement
from shared.persistence.stored import read_stored

_COLUMNS = Columns(
    order_id="text",
    customer_key="uuid",
    document="jsonb",
    told_at="timestamptz",
    began_at="timestamptz",
    guest_keys="uuid[]",
)
_ERASED = Columns(customer_key="uuid", erased_at="timestamptz")

_READ = Statement(
    """
    SELECT customer_key, document::text AS document, guest_keys::text[] AS guest_keys
    FROM customer_orders WHERE order_id = ANY(:ids)
    """
)
_OWNERS_OF_GUESTS = Statement(
    """
    SELECT customer_key, guest_keys::text[] AS guest_keys FROM customer_orders
    WHERE guest_keys && CAST(:keys AS uuid[]) AND customer_key = guest_keys[1]
    """
)
_GUESTS_UNDER = Statement(
    """
    SELECT guest_keys::text[] FROM customer_orders
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND guest_keys IS NOT NULL
    """
)
_TELL_APART = text(
    """
    UPDATE customer_orders SET customer_key = guest_keys[1]
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND guest_keys IS NOT NULL
    """
)
_OF_CUSTOMER = Statement(
    """
    SELECT document::text AS document FROM customer_orders
    WHERE customer_key = :key ORDER BY told_at DESC LIMIT :limit
    """
)
_SAVE = Statement(
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


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order, the key of its customer, and the keys of the ids that stand for whoever placed it (``Guests.ids_of``),
    of which the first is their own if the id they ordered under is many people's."""

    order: Order
    customer_key: UUID
    guest_keys: Sequence[UUID] = ()


async def read(connection: AsyncConnection, order_ids: Iterable[str]) -> dict[str, StoredOrder]:
    """The known ones of these orders, by id."""
    rows = await _READ.rows(connection, {"ids": list(order_ids)})
    known = [
        StoredOrder(read_stored(Order, row.document), row.customer_key, tuple(map(UUID, row.guest_keys or ())))
        for row in rows
    ]
    return {stored.order.order_id: stored for stored in known}


async def owners_of_guests(connection: AsyncConnection, keys: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """The keys of the people for whom these keys of guests stand, each with those of ``keys`` that do.

    Only of people who are told apart: nobody's own id is another for a guest who wrote the same address.
    """
    found: dict[UUID, set[UUID]] = {}
    for row in await _OWNERS_OF_GUESTS.rows(connection, {"keys": list(keys)}):
        found.setdefault(row.customer_key, set()).update(set(map(UUID, row.guest_keys)).intersection(keys))
    return found


async def guests_under(connection: AsyncConnection, keys: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Those who ordered under the ids of these customers, if they are many people's: the key of each person, and all
    that stand for them."""
    found: dict[UUID, set[UUID]] = {}
    for row in await _GUESTS_UNDER.rows(connection, {"keys": list(keys)}):
        theirs = list(map(UUID, row[0]))
        found.setdefault(theirs[0], set()).update(theirs)
    return found


async def tell_apart(connection: AsyncConnection, keys: Collection[UUID]) -> None:
    """Gives the orders of these customers, who turned out to be many people, to whoever placed each; all are locked."""
    await connection.execute(_TELL_APART, {"keys": list(keys)})


async def of_customer(connection: AsyncConnection, key: UUID, *, limit: int) -> list[Order]:
    """A customer's latest orders."""
    rows = await _OF_CUSTOMER.rows(connection, {"key": key, "limit": limit})
    return [read_stored(Order, row["document"]) for row in rows]


async def save(connection: AsyncConnection, orders: Sequence[StoredOrder]) -> None:
    """Writes orders of customers this transaction has locked, without duplicates."""
    if not orders:
        return
    rows = (
        {
            "order_id": stored.order.order_id,
            "customer_key": stored.customer_key,
            "document": stored.order.model_dump_json(exclude_none=True),
            "told_at": stored.order.told_at,
            "began_at": stored.order.began_at,
            "guest_keys": f"{{{','.join(map(str, stored.guest_keys))}}}" if stored.guest_keys else None,
        }
        for stored in orders
    )
    await _SAVE.changes(connection, _COLUMNS.parameters(rows))


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
