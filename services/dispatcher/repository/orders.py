"""Orders: their lock, and their facts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.campaigns import STOPS
from services.dispatcher.domain.orders import Order
from shared.order_facts import OrderFacts

# Names of columns, never values, which is why S608 does not apply below.
_COLUMNS = "order_id, first_event_at, facts::text AS facts"
_ENSURE = text(
    """
    INSERT INTO orders (order_id, customer_id)
    SELECT * FROM unnest(CAST(:order_ids AS text[]), CAST(:customer_ids AS text[]))
    ON CONFLICT DO NOTHING
    """
)
_LOCK = text(
    f"""
    SELECT {_COLUMNS} FROM orders WHERE order_id = ANY(CAST(:order_ids AS text[]))
    ORDER BY order_id FOR UPDATE
    """  # noqa: S608
)
_LOCK_OF_CUSTOMERS = text(
    f"""
    SELECT {_COLUMNS} FROM orders WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    ORDER BY order_id FOR UPDATE
    """  # noqa: S608
)
_READ = text(
    f"""
    SELECT {_COLUMNS} FROM orders WHERE order_id = ANY(CAST(:order_ids AS text[]))
    """  # noqa: S608
)
_WRITE = text(
    """
    UPDATE orders
    SET customer_id = new.customer_id, first_event_at = new.first_event_at, ordered_at = new.ordered_at,
        stopped = new.stopped, facts = CAST(new.facts AS jsonb)
    FROM unnest(
        CAST(:order_ids AS text[]), CAST(:customer_ids AS text[]), CAST(:first_event_ats AS timestamptz[]),
        CAST(:ordered_ats AS timestamptz[]), CAST(:stopped AS boolean[]), CAST(:facts AS text[])
    ) AS new (order_id, customer_id, first_event_at, ordered_at, stopped, facts)
    WHERE orders.order_id = new.order_id
    """
)
_LAST_ORDERED = text(
    """
    SELECT customer_id, newest.ordered_at
    FROM unnest(CAST(:customer_ids AS text[])) AS customer (customer_id)
    CROSS JOIN LATERAL (
        SELECT ordered_at FROM orders
        WHERE orders.customer_id = customer.customer_id AND NOT stopped AND ordered_at IS NOT NULL
        ORDER BY ordered_at DESC LIMIT 1
    ) AS newest
    """
)


async def lock(connection: AsyncConnection, customer_of: Mapping[str, str]) -> dict[str, Order]:
    """The orders of the given ids, locked, by id; an unknown one is created, for the customer given."""
    order_ids = sorted(customer_of)
    await connection.execute(
        _ENSURE, {"order_ids": order_ids, "customer_ids": [customer_of[order_id] for order_id in order_ids]}
    )
    rows = await connection.execute(_LOCK, {"order_ids": order_ids})
    return {row.order_id: _order(row.order_id, row.first_event_at, row.facts) for row in rows}


async def lock_of_customers(connection: AsyncConnection, customer_ids: Sequence[str]) -> list[Order]:
    """All orders of these customers, locked."""
    rows = await connection.execute(_LOCK_OF_CUSTOMERS, {"customer_ids": list(customer_ids)})
    return [_order(row.order_id, row.first_event_at, row.facts) for row in rows]


async def read(connection: AsyncConnection, order_ids: Iterable[str]) -> dict[str, Order]:
    rows = await connection.execute(_READ, {"order_ids": sorted(order_ids)})
    return {row.order_id: _order(row.order_id, row.first_event_at, row.facts) for row in rows}


async def write(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    """Replaces what is known of locked orders."""
    if not orders:
        return
    await connection.execute(
        _WRITE,
        {
            "order_ids": [order.order_id for order in orders],
            "customer_ids": [order.customer_id for order in orders],
            "first_event_ats": [order.first_event_at for order in orders],
            "ordered_ats": [order.ordered_at for order in orders],
            "stopped": [order.stopped_by(STOPS) is not None for order in orders],
            "facts": [_facts(order) for order in orders],
        },
    )


async def last_ordered(connection: AsyncConnection, customer_ids: Sequence[str]) -> dict[str, datetime]:
    """When each customer placed the newest order that was not cancelled, refunded or returned."""
    rows = await connection.execute(_LAST_ORDERED, {"customer_ids": list(customer_ids)})
    return {row.customer_id: row.ordered_at for row in rows}


def _facts(order: Order) -> str:
    return orjson.dumps(
        {
            "happened": dict(order.facts.happened),
            "delivered": dict(order.facts.delivered),
            "shipments": order.facts.shipments,
            "details": dict(order.details),
        }
    ).decode()


def _order(order_id: str, first_event_at: datetime | None, written: str) -> Order:
    facts = orjson.loads(written)
    return Order(
        order_id=order_id,
        first_event_at=first_event_at,
        facts=OrderFacts(
            happened=_moments(facts.get("happened", {})),
            delivered=_moments(facts.get("delivered", {})),
            shipments=facts.get("shipments", 1),
        ),
        details={name: (entry[0], entry[1]) for name, entry in facts.get("details", {}).items()},
    )


def _moments(written: Mapping[str, str]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(moment) for name, moment in written.items()}
