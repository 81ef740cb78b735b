"""Orders: their locks and facts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.orders import Order
from shared.guests import PREFIX
from shared.moments import moment_of
from shared.order_facts import OrderFacts, Sum
from shared.persistence.columns import Columns, array_literal
from shared.persistence.statement import Statement

_ROW = Columns(
    order_id="text",
    customer_id="text",
    first_event_at="timestamptz",
    ordered_at="timestamptz",
    stopped="boolean",
    facts="jsonb",
    guest_ids="text[]",
)
_NEW_ROW = Columns(order_id="text", customer_id="text")
_READ = "order_id, first_event_at, facts::text AS facts"
_ENSURE = Statement(
    f"""
    INSERT INTO orders ({_NEW_ROW.names}) SELECT {_NEW_ROW.values} FROM {_NEW_ROW.written} ON CONFLICT DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)
# One by one, in the order given, and always by the index: see ``decisions.py``.
_LOCK = Statement(
    f"""
    SELECT theirs.*
    FROM unnest(CAST(CAST(:order_ids AS text) AS text[])) AS wanted (order_id)
    CROSS JOIN LATERAL (SELECT {_READ} FROM orders WHERE orders.order_id = wanted.order_id FOR UPDATE) AS theirs
    """  # noqa: S608  # composed of column names, never values
)
# Also those of guests that were placed under an id before it turned out to be many people's.
_OF_CUSTOMERS = """
    SELECT order_id, customer_id FROM orders WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    UNION
    SELECT order_id, customer_id FROM orders JOIN customers USING (customer_id)
    WHERE guest_ids && CAST(:customer_ids AS text[]) AND several_people
"""
_LOCK_OF_CUSTOMERS = text(
    f"""
    SELECT customer_id, guest_ids, {_READ} FROM orders WHERE order_id IN (
        SELECT order_id FROM ({_OF_CUSTOMERS}) AS theirs WHERE order_id > :after ORDER BY order_id LIMIT :most
    )
    ORDER BY order_id FOR UPDATE
    """  # noqa: S608  # composed of column names, never values
)
_IDS_OF_CUSTOMERS = text(
    f"""
    SELECT order_id, customer_id FROM ({_OF_CUSTOMERS}) AS theirs ORDER BY order_id LIMIT :most
    """  # noqa: S608  # composed of column names, never values
)
_PEOPLE_OF_GUESTS = text(
    """
    SELECT CASE WHEN several_people THEN guest_ids[1] ELSE customer_id END AS person, guest_ids
    FROM orders JOIN customers USING (customer_id)
    WHERE guest_ids && CAST(:guest_ids AS text[]) AND (several_people OR starts_with(customer_id, :prefix))
    """
)
_READ_SOME = Statement(
    f"""
    SELECT {_READ} FROM orders WHERE order_id = ANY(CAST(:order_ids AS text[]))
    """  # noqa: S608  # composed of column names, never values
)
_WRITE = Statement(
    f"""
    UPDATE orders SET {_ROW.updates("given", but="order_id")}
    FROM {_ROW.written} WHERE orders.order_id = given.order_id
    """  # noqa: S608  # composed of column names, never values
)
_LAST_ORDERED = Statement(
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


class UnreadableFacts(ValueError):
    """What is stored about an order makes no sense to this version."""


@dataclass(frozen=True, slots=True)
class UnreadableOrder:
    """An order whose facts cannot be read."""

    order_id: str
    customer_id: str
    first_event_at: datetime | None
    guest_ids: Sequence[str] = ()


async def lock(connection: AsyncConnection, customer_of: Mapping[str, str]) -> dict[str, Order]:
    """Locks the orders and returns them by id; unknown ones are created for the given customer."""
    order_ids = sorted(customer_of)
    wanted = {"order_ids": array_literal(order_ids)}
    new = _NEW_ROW.literals({"order_id": order_ids, "customer_id": [customer_of[each] for each in order_ids]})
    locked: dict[str, Order] = {}
    # What is there when it is looked for may be deleted (``dormant.py``) before it is locked.
    while len(locked) < len(order_ids):
        await _ENSURE.changes(connection, new)
        rows = await _LOCK.rows(connection, wanted)
        locked = {order_id: _order(order_id, first_event_at, facts) for order_id, first_event_at, facts in rows}
    return locked


async def ids_of_customers(connection: AsyncConnection, customer_ids: Sequence[str], *, most: int) -> dict[str, str]:
    """The first ``most`` orders of these customers, each with the customer; nothing is locked."""
    rows = await connection.execute(_IDS_OF_CUSTOMERS, {"customer_ids": list(customer_ids), "most": most})
    return {row.order_id: row.customer_id for row in rows}


async def people_of_guests(connection: AsyncConnection, guest_ids: Collection[str]) -> dict[str, set[str]]:
    """The people for whom these ids of guests stand, each with those of the ids that do.

    Only people who are told apart: nobody's own id is another for a guest who wrote the same address.
    """
    found: dict[str, set[str]] = {}
    for row in await connection.execute(_PEOPLE_OF_GUESTS, {"guest_ids": sorted(guest_ids), "prefix": PREFIX}):
        found.setdefault(row.person, set()).update(set(row.guest_ids).intersection(guest_ids))
    return found


async def lock_of_customers(
    connection: AsyncConnection, customer_ids: Sequence[str], *, most: int, after: str = ""
) -> list[Order | UnreadableOrder]:
    """Locks and returns the first ``most`` orders of these customers with an id greater than ``after``."""
    rows = await connection.execute(
        _LOCK_OF_CUSTOMERS, {"customer_ids": list(customer_ids), "most": most, "after": after}
    )
    found: list[Order | UnreadableOrder] = []
    for row in rows:
        try:
            found.append(_order(row.order_id, row.first_event_at, row.facts))
        except UnreadableFacts:
            found.append(UnreadableOrder(row.order_id, row.customer_id, row.first_event_at, row.guest_ids or ()))
    return found


async def read(connection: AsyncConnection, order_ids: Iterable[str]) -> dict[str, Order]:
    """Those that are known, by id. Raises UnreadableFacts."""
    rows = await _READ_SOME.rows(connection, {"order_ids": sorted(order_ids)})
    return {order_id: _order(order_id, first_event_at, facts) for order_id, first_event_at, facts in rows}


async def write(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    """Updates locked orders."""
    if orders:
        await _WRITE.changes(connection, _ROW.literals(_columns(orders)))


async def last_ordered(connection: AsyncConnection, customer_ids: Sequence[str]) -> dict[str, datetime]:
    """When each customer placed the newest order that was not cancelled, refunded or returned."""
    rows = await _LAST_ORDERED.rows(connection, {"customer_ids": list(customer_ids)})
    return {row.customer_id: row.ordered_at for row in rows}


def _columns(orders: Sequence[Order]) -> dict[str, list[Any]]:
    return {
        "order_id": [order.order_id for order in orders],
        "customer_id": [order.customer_id for order in orders],
        "first_event_at": [order.first_event_at for order in orders],
        "ordered_at": [order.ordered_at for order in orders],
        "stopped": [bool(order.stops()) for order in orders],
        "facts": [_facts(order) for order in orders],
        "guest_ids": [array_literal(ids) if (ids := order.guest_ids) else None for order in orders],
    }


def _facts(order: Order) -> str:
    facts = order.facts
    return orjson.dumps(
        {
            "happened": facts.happened,
            "delivered": facts.delivered,
            "shipments": facts.shipments,
            "shipments_at": facts.shipments_at,
            "total": facts.total,
            "refund": facts.refund,
            "details": order.details,
        }
    ).decode()


def _order(order_id: str, first_event_at: datetime | None, written: str) -> Order:
    if written == "{}":
        return Order(order_id, first_event_at)
    try:
        return _from_facts(order_id, first_event_at, orjson.loads(written))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnreadableFacts(type(error).__name__) from error


def _from_facts(order_id: str, first_event_at: datetime | None, facts: Mapping[str, Any]) -> Order:
    return Order(
        order_id=order_id,
        first_event_at=first_event_at,
        facts=OrderFacts(
            happened=_moments(facts.get("happened", {})),
            delivered=_moments(facts.get("delivered", {})),
            shipments=facts.get("shipments", 1),
            shipments_at=_moment(facts.get("shipments_at")),
            total=_sum(facts["total"]) if "total" in facts else _total_said_before(facts.get("details", {})),
            refund=_sum(facts.get("refund")),
        ),
        details={name: (entry[0], entry[1]) for name, entry in facts.get("details", {}).items()},
    )


def _moment(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written)


def _sum(written: Mapping[str, str] | None) -> Sum | None:
    if written is None:
        return None
    return Sum(datetime.fromisoformat(written["at"]), written["amount"], written["currency"])


def _total_said_before(details: Mapping[str, Any]) -> Sum | None:
    """The total of an order that was written when it was only a detail."""
    amount, currency = details.get("amount"), details.get("currency")
    if amount is None or currency is None:
        return None
    return Sum(moment_of(amount[0]), amount[1], currency[1])


def _moments(written: Mapping[str, str]) -> dict[str, datetime]:
    return {name: datetime.fromisoformat(moment) for name, moment in written.items()}
