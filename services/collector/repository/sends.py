"""SQL for sends, that is, the surveys that may be answered."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.preferences import SendRecipient
from shared.contracts.sends import SurveySent
from shared.persistence.columns import Columns

_COLUMNS = Columns(
    send_id="text",
    campaign="text",
    campaign_version="integer",
    channel="text",
    locale="text",
    customer_id="text",
    address="text",
    name="text",
    order_id="text",
    product="text",
    segments="jsonb",
    sent_at="timestamptz",
    expires_at="timestamptz",
    erased_at="timestamptz",
)
# A send is immutable, except that a reminder may keep its link open longer.
_PUT = text(
    f"""
    INSERT INTO sends ({_COLUMNS.names}) SELECT {_COLUMNS.values} FROM {_COLUMNS.given}
    ON CONFLICT (send_id) DO UPDATE SET expires_at = EXCLUDED.expires_at
    WHERE sends.expires_at < EXCLUDED.expires_at
    """  # noqa: S608  # composed of column names, never values
)


async def put(connection: AsyncConnection, sends: Sequence[SurveySent], erased: Mapping[str, datetime]) -> None:
    """Adds new sends; duplicates are no-ops. ``erased`` maps the ids of sends whose customer has been erased since to
    the time of the erasure: no personal data is stored for these."""
    longest: dict[str, SurveySent] = {}
    for send in sends:
        known = longest.get(send.send_id)
        if known is None or known.expires_at < send.expires_at:
            longest[send.send_id] = send
    rows = [_row(longest[send_id], erased.get(send_id)) for send_id in sorted(longest)]
    await connection.execute(_PUT, _COLUMNS.parameters(rows))


def _row(send: SurveySent, erased_at: datetime | None) -> dict[str, object]:
    """The send's columns; the personal ones are empty once the customer was erased."""
    erased = erased_at is not None
    return {
        "send_id": send.send_id,
        "campaign": send.campaign,
        "campaign_version": send.campaign_version,
        "channel": send.channel,
        "locale": send.locale,
        "customer_id": None if erased else send.customer_id,
        "address": None if erased else send.recipient.address,
        "name": None if erased else send.recipient.name,
        "order_id": None if erased else send.order_id,
        "product": None if erased else send.product,
        "segments": "{}" if erased else orjson.dumps(send.segments).decode(),
        "sent_at": send.sent_at,
        "expires_at": send.expires_at,
        "erased_at": erased_at,
    }


_KNOWN_AMONG = text("SELECT send_id FROM sends WHERE send_id = ANY(CAST(:send_ids AS text[]))")
_READ_RECIPIENTS = text(
    """
    SELECT send_id, customer_id, channel, address FROM sends
    WHERE send_id = ANY(CAST(:send_ids AS text[])) AND customer_id IS NOT NULL
    """
)


async def known_among(connection: AsyncConnection, send_ids: Sequence[str]) -> set[str]:
    """Those of the sends that have been consumed, erased ones included."""
    return set((await connection.execute(_KNOWN_AMONG, {"send_ids": send_ids})).scalars())


async def read_recipients(connection: AsyncConnection, send_ids: Sequence[str]) -> dict[str, SendRecipient]:
    """The recipient of each of these sends; erased ones are left out."""
    rows = await connection.execute(_READ_RECIPIENTS, {"send_ids": send_ids})
    return {
        row.send_id: SendRecipient(customer_id=row.customer_id, channel=row.channel, address=row.address)
        for row in rows
    }


# By the index on expires_at, one bounded batch at a time, skipping rows that are being answered right now.
PRUNE = text(
    """
    DELETE FROM sends WHERE send_id IN (
        SELECT send_id FROM sends WHERE expires_at < :before ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """
)


async def prune(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Deletes up to ``limit`` sends whose link closed before ``before``; returns how many."""
    return (await connection.execute(PRUNE, {"before": before, "limit": limit})).rowcount
