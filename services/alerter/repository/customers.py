"""What is known of customers: how to reach them, their orders, the surveys they were sent.

The row of a customer is locked before anything of theirs is written, so that an erasure and an order that come at the
same moment, to two replicas, take turns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.history import Customer, Order, Survey

_INTRODUCE = text(
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
    """
    UPDATE customers SET document = given.document::jsonb, told_at = given.told_at
    FROM unnest(CAST(:keys AS uuid[]), CAST(:documents AS text[]), CAST(:times AS timestamptz[]))
         AS given (customer_key, document, told_at)
    WHERE customers.customer_key = given.customer_key
    """
)
_SAVE_ORDERS = text(
    """
    INSERT INTO customer_orders (order_id, customer_key, document, told_at)
    SELECT order_id, customer_key, document::jsonb, told_at
    FROM unnest(CAST(:ids AS text[]), CAST(:keys AS uuid[]), CAST(:documents AS text[]), CAST(:times AS timestamptz[]))
         AS given (order_id, customer_key, document, told_at)
    ORDER BY order_id
    ON CONFLICT (order_id) DO UPDATE
    SET customer_key = excluded.customer_key, document = excluded.document, told_at = excluded.told_at
    """
)
_SAVE_SURVEYS = text(
    """
    INSERT INTO customer_surveys (send_id, customer_key, document, sent_at)
    SELECT send_id, customer_key, document::jsonb, sent_at
    FROM unnest(CAST(:ids AS text[]), CAST(:keys AS uuid[]), CAST(:documents AS text[]), CAST(:times AS timestamptz[]))
         AS given (send_id, customer_key, document, sent_at)
    ORDER BY send_id
    ON CONFLICT (send_id) DO NOTHING
    """
)
_CUSTOMERS = text(
    """
    SELECT customer_key, document::text AS document FROM customers
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND document IS NOT NULL
    """
)
_ORDERS = text("SELECT order_id, document::text AS document FROM customer_orders WHERE order_id = ANY(:ids)")
_ORDERS_OF = text(
    """
    SELECT document::text AS document FROM customer_orders
    WHERE customer_key = :key ORDER BY told_at DESC LIMIT :most
    """
)
_SURVEYS_OF = text(
    """
    SELECT document::text AS document FROM customer_surveys
    WHERE customer_key = :key ORDER BY sent_at DESC LIMIT :most
    """
)
_SURVEY = text("SELECT document::text AS document FROM customer_surveys WHERE send_id = :send_id")
_ERASURES = text(
    """
    SELECT customer_key, erased_at FROM customers
    WHERE customer_key = ANY(CAST(:keys AS uuid[])) AND erased_at IS NOT NULL
    """
)
_ERASE = text(
    """
    UPDATE customers SET document = NULL, told_at = NULL, erased_at = GREATEST(customers.erased_at, given.erased_at)
    FROM unnest(CAST(:keys AS uuid[]), CAST(:times AS timestamptz[])) AS given (customer_key, erased_at)
    WHERE customers.customer_key = given.customer_key
    """
)
_ERASE_ORDERS = text("DELETE FROM customer_orders WHERE customer_key = ANY(CAST(:keys AS uuid[]))")
_ERASE_SURVEYS = text("DELETE FROM customer_surveys WHERE customer_key = ANY(CAST(:keys AS uuid[]))")

# Old rows go unless a waiting case still needs them. Each statement takes the oldest first and a bounded number.
_PRUNE_ORDERS = text(
    """
    DELETE FROM customer_orders WHERE order_id IN (
        SELECT order_id FROM customer_orders AS old
        WHERE told_at < :before AND NOT EXISTS (
            SELECT FROM cases WHERE cases.customer_key = old.customer_key AND status <> 'closed')
        ORDER BY told_at LIMIT :most FOR UPDATE SKIP LOCKED)
    """
)
_PRUNE_SURVEYS = text(
    """
    DELETE FROM customer_surveys WHERE send_id IN (
        SELECT send_id FROM customer_surveys AS old
        WHERE sent_at < :before AND NOT EXISTS (
            SELECT FROM cases WHERE cases.customer_key = old.customer_key AND status <> 'closed')
        ORDER BY sent_at LIMIT :most FOR UPDATE SKIP LOCKED)
    """
)
_PRUNE_CUSTOMERS = text(
    """
    DELETE FROM customers WHERE customer_key IN (
        SELECT customer_key FROM customers AS old
        WHERE document IS NOT NULL AND erased_at IS NULL AND told_at < :before
          AND NOT EXISTS (SELECT FROM cases WHERE cases.customer_key = old.customer_key AND status <> 'closed')
          AND NOT EXISTS (SELECT FROM customer_orders AS kept WHERE kept.customer_key = old.customer_key)
          AND NOT EXISTS (SELECT FROM customer_surveys AS kept WHERE kept.customer_key = old.customer_key)
        ORDER BY told_at LIMIT :most FOR UPDATE SKIP LOCKED)
    """
)


@dataclass(frozen=True, slots=True)
class Locked:
    """A customer's row, ours until the transaction ends. ``erased_at``: what was told up to then must not come back."""

    customer: Customer | None
    erased_at: datetime | None

    def may_know(self, at: datetime) -> bool:
        return self.erased_at is None or at > self.erased_at


async def lock(connection: AsyncConnection, keys: Collection[UUID]) -> dict[UUID, Locked]:
    """The rows of these customers, made where missing, kept from change by others until the transaction ends."""
    locked: dict[UUID, Locked] = {}
    # Another round only where a row was pruned between its two statements.
    while missing := sorted(set(keys) - set(locked)):
        await connection.execute(_INTRODUCE, {"keys": missing})
        for row in await connection.execute(_LOCK, {"keys": missing}):
            customer = None if row.document is None else Customer.model_validate_json(row.document)
            locked[row.customer_key] = Locked(customer, row.erased_at)
    return locked


async def save(connection: AsyncConnection, customers: Mapping[UUID, Customer]) -> None:
    """Writes customers this transaction has locked."""
    if not customers:
        return
    await connection.execute(
        _SAVE,
        {
            "keys": list(customers),
            "documents": [customer.model_dump_json(exclude_none=True) for customer in customers.values()],
            "times": [max(customer.told.values(), default=None) for customer in customers.values()],
        },
    )


async def save_orders(connection: AsyncConnection, orders: Sequence[tuple[UUID, Order]]) -> None:
    """``orders`` are pairs of the key of a customer this transaction has locked and the order, each order once."""
    if not orders:
        return
    await connection.execute(
        _SAVE_ORDERS,
        {
            "ids": [order.order_id for _, order in orders],
            "keys": [key for key, _ in orders],
            "documents": [order.model_dump_json(exclude_none=True) for _, order in orders],
            "times": [order.told_at for _, order in orders],
        },
    )


async def save_surveys(connection: AsyncConnection, surveys: Sequence[tuple[UUID, Survey]]) -> None:
    """``surveys`` are pairs of the key of a customer this transaction has locked and the survey."""
    if not surveys:
        return
    await connection.execute(
        _SAVE_SURVEYS,
        {
            "ids": [survey.send_id for _, survey in surveys],
            "keys": [key for key, _ in surveys],
            "documents": [survey.model_dump_json(exclude_none=True) for _, survey in surveys],
            "times": [survey.sent_at for _, survey in surveys],
        },
    )


async def read(connection: AsyncConnection, keys: Iterable[UUID]) -> dict[UUID, Customer]:
    rows = await connection.execute(_CUSTOMERS, {"keys": list(keys)})
    return {row.customer_key: Customer.model_validate_json(row.document) for row in rows}


async def read_orders(connection: AsyncConnection, order_ids: Iterable[str]) -> dict[str, Order]:
    rows = await connection.execute(_ORDERS, {"ids": list(order_ids)})
    return {row.order_id: Order.model_validate_json(row.document) for row in rows}


async def orders_of(connection: AsyncConnection, key: UUID, most: int) -> list[Order]:
    """A customer's newest orders."""
    rows = await connection.execute(_ORDERS_OF, {"key": key, "most": most})
    return [Order.model_validate_json(document) for document in rows.scalars()]


async def surveys_of(connection: AsyncConnection, key: UUID, most: int) -> list[Survey]:
    """The surveys a customer was sent, newest first."""
    rows = await connection.execute(_SURVEYS_OF, {"key": key, "most": most})
    return [Survey.model_validate_json(document) for document in rows.scalars()]


async def survey(connection: AsyncConnection, send_id: str) -> Survey | None:
    document = (await connection.execute(_SURVEY, {"send_id": send_id})).scalar()
    return None if document is None else Survey.model_validate_json(document)


async def erasures(connection: AsyncConnection, keys: Iterable[UUID]) -> dict[UUID, datetime]:
    """When those of these customers that were erased were erased."""
    rows = await connection.execute(_ERASURES, {"keys": list(keys)})
    return {row.customer_key: row.erased_at for row in rows}


async def erase(connection: AsyncConnection, times: Mapping[UUID, datetime]) -> None:
    """Empties customers this transaction has locked, remembering when; their orders and surveys go."""
    given = {"keys": list(times), "times": list(times.values())}
    await connection.execute(_ERASE, given)
    await connection.execute(_ERASE_ORDERS, {"keys": list(times)})
    await connection.execute(_ERASE_SURVEYS, {"keys": list(times)})


async def prune(connection: AsyncConnection, before: datetime, most: int) -> int:
    """Removes up to ``most`` rows of each kind that are older; how many there were."""
    removed = 0
    for statement in (_PRUNE_ORDERS, _PRUNE_SURVEYS, _PRUNE_CUSTOMERS):
        removed += (await connection.execute(statement, {"before": before, "most": most})).rowcount
    return removed
