"""Customers: the lock that serialises all decisions about them, and what is known about them."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.shared_ids import KnownMailboxes
from shared.contracts.preferences import ChannelPreference
from shared.persistence.columns import Columns, array_literal
from shared.persistence.statement import Row, Statement
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
_ENSURE = Statement(
    """
    INSERT INTO customers (customer_id) SELECT * FROM unnest(CAST(CAST(:customer_ids AS text) AS text[]))
    ON CONFLICT DO NOTHING
    """
)
# One by one, in the order given, and always by the index: see ``decisions.py``.
_LOCK = Statement(
    f"""
    SELECT theirs.*
    FROM unnest(CAST(CAST(:customer_ids AS text) AS text[])) AS wanted (customer_id)
    CROSS JOIN LATERAL (
        SELECT {_READ} FROM customers WHERE customers.customer_id = wanted.customer_id FOR UPDATE
    ) AS theirs
    """  # noqa: S608  # composed of column names, never values
)
_READ_SOME = Statement(
    f"""
    SELECT {_READ} FROM customers WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    """  # noqa: S608  # composed of column names, never values
)
_MAILBOXES = Statement(
    """
    SELECT theirs.*
    FROM unnest(CAST(CAST(:customer_ids AS text) AS text[])) AS wanted (customer_id)
    CROSS JOIN LATERAL (
        SELECT customer_id, mailboxes::text, several_people
        FROM customers WHERE customers.customer_id = wanted.customer_id OFFSET 0
    ) AS theirs
    """
)
_WRITE = Statement(
    f"""
    UPDATE customers SET {_ROW.updates("given", but="customer_id")}
    FROM {_ROW.written} WHERE customers.customer_id = given.customer_id
    """  # noqa: S608  # composed of column names, never values
)


async def lock(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, Customer]:
    """Locks the customers and returns them by id; unknown ones are created."""
    ids = sorted(set(customer_ids))  # by code point, as every process does
    wanted = {"customer_ids": array_literal(ids)}
    locked: dict[str, Customer] = {}
    # What is there when it is looked for may be deleted (``dormant.py``) before it is locked.
    while len(locked) < len(ids):
        await _ENSURE.changes(connection, wanted)
        locked = {row["customer_id"]: _customer(row) for row in await _LOCK.rows(connection, wanted)}
    return locked


async def read(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, Customer]:
    rows = await _READ_SOME.rows(connection, {"customer_ids": sorted(customer_ids)})
    return {row["customer_id"]: _customer(row) for row in rows}


async def mailboxes(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, KnownMailboxes]:
    """The mailboxes each has used, of those customers there is a row of."""
    wanted = {"customer_ids": array_literal(sorted(customer_ids))}
    return {
        name: KnownMailboxes(frozenset(orjson.loads(written)), several)
        for name, written, several in await _MAILBOXES.rows(connection, wanted)
    }


async def write(connection: AsyncConnection, customers: Sequence[Customer]) -> None:
    """Updates locked customers."""
    if customers:
        await _WRITE.changes(connection, _ROW.literals(_ROW.parameters(map(_row, customers))))


def _row(customer: Customer) -> dict[str, Any]:
    channels = [preference.model_dump() for preference in customer.channels.values()]
    return {
        "customer_id": customer.customer_id,
        "details": orjson.dumps(customer.details).decode(),
        "first_event_at": customer.first_event_at,
        "since": customer.since,
        "preference_revision": customer.preference_revision,
        "channels": orjson.dumps(channels).decode(),
        "erased_at": customer.erased_at,
        "mailboxes": orjson.dumps(sorted(customer.mailboxes)).decode(),
        "several_people": customer.several_people,
    }


def _customer(row: Row | RowMapping) -> Customer:
    details, channels, mailboxes = row["details"], row["channels"], row["mailboxes"]
    preferences = read_stored(list[ChannelPreference], channels) if channels != "[]" else ()
    return Customer(
        customer_id=row["customer_id"],
        details={name: (entry[0], entry[1]) for name, entry in orjson.loads(details).items()},
        first_event_at=row["first_event_at"],
        since=row["since"],
        preference_revision=row["preference_revision"],
        channels={preference.channel: preference for preference in preferences},
        erased_at=row["erased_at"],
        mailboxes=frozenset(orjson.loads(mailboxes)),
        several_people=row["several_people"],
    )
