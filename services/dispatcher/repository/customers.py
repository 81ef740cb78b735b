"""Customers: the lock that serialises all decisions about them, and what is known about them."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.shared_ids import KnownMailboxes
from shared.contracts.preferences import ChannelPreference
from shared.persistence.columns import Columns
from shared.persistence.stored import read_stored

_ROW = Columns(
    customer_id="text",
    details="jsonb",
    first_event_at="timestamptz",
    since="timestamptz",
    preference_revision="integer",
    channels="jsonb",
    erased_at="timestamptz",
    mailboxes="jsonb",
    several_people="boolean",
)
_READ = """
    customer_id, details::text AS details, first_event_at, since, preference_revision, channels::text AS channels,
    erased_at, mailboxes::text AS mailboxes, several_people
"""
_ENSURE = text(
    "INSERT INTO customers (customer_id) SELECT * FROM unnest(CAST(:customer_ids AS text[])) ON CONFLICT DO NOTHING"
)
_LOCK = text(
    f"""
    SELECT {_READ} FROM customers WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    ORDER BY customer_id FOR UPDATE
    """  # noqa: S608  # composed of column names, never values
)
_READ_SOME = text(
    f"""
    SELECT {_READ} FROM customers WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    """  # noqa: S608  # composed of column names, never values
)
_MAILBOXES = text(
    """
    SELECT customer_id, mailboxes::text AS mailboxes, several_people
    FROM customers WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    """
)
_WRITE = text(
    f"""
    UPDATE customers SET {_ROW.updates("given", but="customer_id")}
    FROM {_ROW.given} WHERE customers.customer_id = given.customer_id
    """  # noqa: S608  # composed of column names, never values
)


async def lock(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, Customer]:
    """Locks the customers and returns them by id; unknown ones are created."""
    ids = sorted(set(customer_ids))
    wanted = {"customer_ids": ids}
    locked: dict[str, Customer] = {}
    # What is there when it is looked for may be deleted (``dormant.py``) before it is locked.
    while len(locked) < len(ids):
        await connection.execute(_ENSURE, wanted)
        locked = {row.customer_id: _customer(row) for row in await connection.execute(_LOCK, wanted)}
    return locked


async def read(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, Customer]:
    rows = await connection.execute(_READ_SOME, {"customer_ids": sorted(customer_ids)})
    return {row.customer_id: _customer(row) for row in rows}


async def mailboxes(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, KnownMailboxes]:
    """The mailboxes each has used, of those customers there is a row of."""
    return {
        row.customer_id: KnownMailboxes(frozenset(orjson.loads(row.mailboxes)), row.several_people)
        for row in await connection.execute(_MAILBOXES, {"customer_ids": sorted(customer_ids)})
    }


async def write(connection: AsyncConnection, customers: Sequence[Customer]) -> None:
    """Updates locked customers."""
    if customers:
        await connection.execute(_WRITE, _ROW.parameters(_row(customer) for customer in customers))


def _row(customer: Customer) -> dict[str, Any]:
    channels = [preference.model_dump() for preference in customer.channels.values()]
    return {
        "customer_id": customer.customer_id,
        "details": orjson.dumps(dict(customer.details)).decode(),
        "first_event_at": customer.first_event_at,
        "since": customer.since,
        "preference_revision": customer.preference_revision,
        "channels": orjson.dumps(channels).decode(),
        "erased_at": customer.erased_at,
        "mailboxes": orjson.dumps(sorted(customer.mailboxes)).decode(),
        "several_people": customer.several_people,
    }


def _customer(row: Row[Any]) -> Customer:
    channels = read_stored(list[ChannelPreference], row.channels)
    return Customer(
        customer_id=row.customer_id,
        details={name: (entry[0], entry[1]) for name, entry in orjson.loads(row.details).items()},
        first_event_at=row.first_event_at,
        since=row.since,
        preference_revision=row.preference_revision,
        channels={preference.channel: preference for preference in channels},
        erased_at=row.erased_at,
        mailboxes=frozenset(orjson.loads(row.mailboxes)),
        several_people=row.several_people,
    )
