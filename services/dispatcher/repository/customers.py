"""Customers: the lock everything about them is decided under, and what is known of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.customers import Customer
from shared.contracts.preferences import ChannelPreference

# Names of columns, never values, which is why S608 does not apply below.
_COLUMNS = """
    customer_id, details::text AS details, first_event_at, since, preference_revision, channels::text AS channels,
    erased_at, last_answered_at
"""
_ENSURE = text(
    "INSERT INTO customers (customer_id) SELECT * FROM unnest(CAST(:customer_ids AS text[])) ON CONFLICT DO NOTHING"
)
_LOCK = text(
    f"""
    SELECT {_COLUMNS} FROM customers WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    ORDER BY customer_id FOR UPDATE
    """  # noqa: S608
)
_READ = text(
    f"""
    SELECT {_COLUMNS} FROM customers WHERE customer_id = ANY(CAST(:customer_ids AS text[]))
    """  # noqa: S608
)
_WRITE = text(
    """
    UPDATE customers
    SET details = CAST(new.details AS jsonb), first_event_at = new.first_event_at, since = new.since,
        preference_revision = new.preference_revision, channels = CAST(new.channels AS jsonb),
        erased_at = new.erased_at, last_answered_at = new.last_answered_at
    FROM unnest(
        CAST(:customer_ids AS text[]), CAST(:details AS text[]), CAST(:first_event_ats AS timestamptz[]),
        CAST(:sinces AS timestamptz[]), CAST(:revisions AS integer[]), CAST(:channels AS text[]),
        CAST(:erased_ats AS timestamptz[]), CAST(:last_answered_ats AS timestamptz[])
    ) AS new (customer_id, details, first_event_at, since, preference_revision, channels, erased_at, last_answered_at)
    WHERE customers.customer_id = new.customer_id
    """
)


async def lock(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, Customer]:
    """The customers of the given ids, locked, by id; an unknown one is created."""
    wanted = {"customer_ids": sorted(customer_ids)}
    await connection.execute(_ENSURE, wanted)
    return {row.customer_id: _customer(row) for row in await connection.execute(_LOCK, wanted)}


async def read(connection: AsyncConnection, customer_ids: Iterable[str]) -> dict[str, Customer]:
    rows = await connection.execute(_READ, {"customer_ids": sorted(customer_ids)})
    return {row.customer_id: _customer(row) for row in rows}


async def write(connection: AsyncConnection, customers: Sequence[Customer]) -> None:
    """Replaces what is known of locked customers."""
    if not customers:
        return
    await connection.execute(
        _WRITE,
        {
            "customer_ids": [customer.customer_id for customer in customers],
            "details": [orjson.dumps(dict(customer.details)).decode() for customer in customers],
            "first_event_ats": [customer.first_event_at for customer in customers],
            "sinces": [customer.since for customer in customers],
            "revisions": [customer.preference_revision for customer in customers],
            "channels": [_channels(customer.channels) for customer in customers],
            "erased_ats": [customer.erased_at for customer in customers],
            "last_answered_ats": [customer.last_answered_at for customer in customers],
        },
    )


def _channels(channels: Mapping[str, ChannelPreference]) -> str:
    return orjson.dumps([preference.model_dump() for preference in channels.values()]).decode()


def _customer(row: Row[Any]) -> Customer:
    channels = (ChannelPreference.model_validate_json(orjson.dumps(entry)) for entry in orjson.loads(row.channels))
    erased_at: datetime | None = row.erased_at
    return Customer(
        customer_id=row.customer_id,
        details={name: (entry[0], entry[1]) for name, entry in orjson.loads(row.details).items()},
        first_event_at=row.first_event_at,
        since=row.since,
        preference_revision=row.preference_revision,
        channels={preference.channel: preference for preference in channels},
        erased_at=erased_at,
        last_answered_at=row.last_answered_at,
    )
