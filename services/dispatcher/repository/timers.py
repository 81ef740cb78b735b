"""Timers and recurrences: claiming due ones, reading upcoming ones, writing decisions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.timers import Recurrence, Timer
from shared.persistence.columns import Columns, array_literal
from shared.persistence.planner import index_walk
from shared.persistence.statement import Statement
from shared.watermark import Claimed

TIMERS_OF_CUSTOMER = 100
"""Maximum timers of one customer per decision; the rest is left to the next."""

# The columns have older names: in the table, milestone_at is when the survey is due, and due_at when the timer is
# checked next. Everywhere else these are due_at and check_at.
_ROW = Columns(
    timer_id="uuid",
    campaign="text",
    customer_id="text",
    order_id="text",
    cause="text",
    occurrence="integer",
    milestone_at="timestamptz",
    due_at="timestamptz",
    traceparent="text",
)
_FIRED_ROW = Columns(campaign="text", customer_id="text", occurrence="integer", fired_at="timestamptz")

_READ = """
    timer_id::text AS timer_id, campaign, customer_id, order_id, cause, occurrence,
    milestone_at AS due_at, due_at AS check_at, traceparent
"""

_NEXT_DUE = Statement("SELECT due_at FROM timers WHERE due_at >= :since ORDER BY due_at LIMIT 1")
# Locks the customers of the first timers due, skipping locked ones: it never waits, so it cannot deadlock.
_CLAIM = Statement(
    """
    WITH claimed AS (
        SELECT customers.customer_id, timers.due_at AS check_at
        FROM timers JOIN customers USING (customer_id)
        WHERE timers.due_at >= :watermark AND timers.due_at <= :now AND timers.set_at <= :known_by
          AND NOT EXISTS (
              SELECT FROM timers AS newer
              WHERE newer.customer_id = timers.customer_id AND newer.due_at <= :now AND newer.set_at > :known_by
          )
        ORDER BY timers.due_at
        LIMIT :most
        FOR UPDATE OF customers SKIP LOCKED
    )
    SELECT customer_id, check_at FROM claimed
    """
)
_AHEAD_OF_READING = Statement(
    """
    SELECT DISTINCT customer_id FROM timers
    WHERE customer_id = ANY(CAST(:customer_ids AS text[])) AND due_at <= :now AND set_at > :known_by
    """
)
_OF_CUSTOMERS = Statement(
    f"""
    SELECT ahead.*
    FROM unnest(CAST(:customer_ids AS text[])) AS customer (customer_id)
    CROSS JOIN LATERAL (
        SELECT {_READ}
        FROM timers
        WHERE timers.customer_id = customer.customer_id AND timers.due_at <= :until
        ORDER BY timers.due_at LIMIT :most
    ) AS ahead
    """  # noqa: S608  # composed of column names, never values
)
# Looked up one by one, as in ``decisions.py``: with many timers set since the last ANALYZE, all of them were read.
_SET_BY_ORDERS = Statement(
    f"""
    SELECT {_READ}
    FROM unnest(CAST(CAST(:order_ids AS text) AS text[])) AS wanted (name)
    CROSS JOIN LATERAL (
        SELECT * FROM timers WHERE timers.order_id = wanted.name AND cause = 'milestone' OFFSET 0
    ) AS theirs
    UNION ALL
    SELECT {_READ}
    FROM unnest(CAST(CAST(:customer_ids AS text) AS text[])) AS wanted (name)
    CROSS JOIN LATERAL (
        SELECT * FROM timers WHERE timers.customer_id = wanted.name AND cause = 'recurrence' OFFSET 0
    ) AS theirs
    """  # noqa: S608  # composed of column names, never values
)
# Also those that an order event in the same batch moved here, and whose order is unknown.
_OF_ERASED = Statement(
    f"""
    SELECT {_READ}
    FROM (
        SELECT timers.*
        FROM timers JOIN customers USING (customer_id) LEFT JOIN orders USING (order_id)
        WHERE timers.customer_id = ANY(CAST(:customer_ids AS text[]))
          AND (orders.first_event_at IS NULL OR orders.first_event_at <= customers.erased_at)
        LIMIT :most
    ) AS theirs
    """  # noqa: S608  # composed of column names, never values
)
_PUT = Statement(
    f"""
    INSERT INTO timers ({_ROW.names}) SELECT {_ROW.values} FROM {_ROW.written}
    ON CONFLICT (timer_id) DO UPDATE
    SET milestone_at = excluded.milestone_at, due_at = excluded.due_at, set_at = now()
    """  # noqa: S608  # composed of column names, never values
)
_REMOVE = Statement("DELETE FROM timers WHERE timer_id = ANY(CAST(:timer_ids AS uuid[]))")
_RECURRENCES = Statement(
    """
    SELECT theirs.campaign, theirs.customer_id, theirs.occurrence, theirs.fired_at
    FROM unnest(CAST(CAST(:customer_ids AS text) AS text[])) AS wanted (customer_id)
    CROSS JOIN LATERAL (SELECT * FROM recurrences WHERE recurrences.customer_id = wanted.customer_id OFFSET 0) AS theirs
    """
)
_FIRED = Statement(
    f"""
    INSERT INTO recurrences ({_FIRED_ROW.names}) SELECT {_FIRED_ROW.values} FROM {_FIRED_ROW.given}
    ON CONFLICT (customer_id, campaign) DO UPDATE
    SET occurrence = excluded.occurrence, fired_at = excluded.fired_at
    """  # noqa: S608  # composed of column names, never values
)


async def next_due(connection: AsyncConnection, since: datetime) -> datetime | None:
    """When the first timer from ``since`` on is to be checked; None when there is none."""
    check_at: datetime | None = await _NEXT_DUE.value(connection, {"since": since})
    return check_at


async def claim(
    connection: AsyncConnection, *, now: datetime, watermark: datetime, most: int, known_by: datetime
) -> Claimed:
    """Locks the customers of the first ``most`` timers to be checked between ``watermark`` and ``now``.

    Only of customers all of whose due timers were set by ``known_by``, in the database's time: what had been published
    until then has been read, and nothing that came later is decided on yet.
    """
    async with index_walk(connection):
        wanted = {"now": now, "watermark": watermark, "most": most, "known_by": known_by}
        rows = await _CLAIM.rows(connection, wanted)
        return Claimed.of(((row.customer_id, row.check_at) for row in rows), most=most)


async def ahead_of_reading(
    connection: AsyncConnection, customer_ids: Sequence[str], *, now: datetime, known_by: datetime
) -> frozenset[str]:
    """Those of locked customers who meanwhile have a timer, due ``now``, that was set after ``known_by``.

    ``claim`` passes them over; this finds whose timers were set between its snapshot and the lock, or since.
    """
    wanted = {"customer_ids": list(customer_ids), "now": now, "known_by": known_by}
    return frozenset(row.customer_id for row in await _AHEAD_OF_READING.rows(connection, wanted))


async def of_customers(connection: AsyncConnection, customer_ids: Sequence[str], until: datetime) -> list[Timer]:
    """Their timers to be checked up to ``until``, the first TIMERS_OF_CUSTOMER of each customer."""
    rows = await _OF_CUSTOMERS.rows(
        connection, {"customer_ids": list(customer_ids), "until": until, "most": TIMERS_OF_CUSTOMER}
    )
    return [Timer(**row) for row in rows]


async def set_by_orders(
    connection: AsyncConnection, *, order_ids: Iterable[str], customer_ids: Iterable[str]
) -> list[Timer]:
    """The timers set by order events: about these orders, and of these customers' recurring campaigns."""
    wanted = {"order_ids": array_literal(list(order_ids)), "customer_ids": array_literal(list(customer_ids))}
    return [
        Timer(
            timer_id=timer_id,
            campaign=campaign,
            customer_id=customer_id,
            order_id=order_id,
            cause=cause,
            occurrence=occurrence,
            due_at=due_at,
            check_at=check_at,
            traceparent=traceparent,
        )
        for timer_id, campaign, customer_id, order_id, cause, occurrence, due_at, check_at, traceparent in (
            await _SET_BY_ORDERS.rows(connection, wanted)
        )
    ]


async def of_erased(connection: AsyncConnection, customer_ids: Sequence[str], *, most: int) -> list[Timer]:
    """The first ``most`` timers of these erased customers, except those about orders from after the erasure."""
    rows = await _OF_ERASED.rows(connection, {"customer_ids": list(customer_ids), "most": most})
    return [Timer(**row) for row in rows]


async def put(connection: AsyncConnection, timers: Sequence[Timer]) -> None:
    """Sets timers, or moves those that are already set."""
    if timers:
        await _PUT.changes(connection, _ROW.literals(_ROW.parameters(map(_row, timers))))


async def remove(connection: AsyncConnection, timer_ids: Sequence[str]) -> None:
    if timer_ids:
        await _REMOVE.changes(connection, {"timer_ids": list(timer_ids)})


async def recurrences(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[tuple[str, str], Recurrence]:
    """By campaign and customer."""
    rows = await _RECURRENCES.rows(connection, {"customer_ids": array_literal(list(customer_ids))})
    return {(row.campaign, row.customer_id): Recurrence(row.occurrence, row.fired_at) for row in rows}


async def note_fired(connection: AsyncConnection, fired: Mapping[tuple[str, str], Recurrence]) -> None:
    """Records that recurring campaigns came due, by campaign and customer."""
    if fired:
        rows = (
            {
                "campaign": campaign,
                "customer_id": customer_id,
                "occurrence": recurrence.occurrence,
                "fired_at": recurrence.fired_at,
            }
            for (campaign, customer_id), recurrence in fired.items()
        )
        await _FIRED.changes(connection, _FIRED_ROW.parameters(rows))


def _row(timer: Timer) -> dict[str, Any]:
    return {
        "timer_id": timer.timer_id,
        "campaign": timer.campaign,
        "customer_id": timer.customer_id,
        "order_id": timer.order_id,
        "cause": timer.cause,
        "occurrence": timer.occurrence,
        "milestone_at": timer.due_at,
        "due_at": timer.check_at,
        "traceparent": timer.traceparent,
    }
