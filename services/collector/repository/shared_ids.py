"""SQL for the customer ids that turned out to be many people's, as keyed digests; and for what was sent under them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.columns import Columns

# Held to the end of a batch of sends, so that an id that is found out meanwhile is found out before or after it.
_HOLD_OFF = text("LOCK TABLE shared_ids IN SHARE MODE")
_AMONG = text("SELECT customer_digest FROM shared_ids WHERE customer_digest = ANY(CAST(:digests AS bytea[]))")
_REMEMBER = text(
    """
    INSERT INTO shared_ids (customer_digest)
    SELECT digest FROM unnest(CAST(:digests AS bytea[])) AS digest ORDER BY digest
    ON CONFLICT DO NOTHING
    """
)
_SENT_UNDER = text(
    """
    SELECT send_id, address, sent_at FROM sends
    WHERE customer_id = ANY(CAST(:customer_ids AS text[])) AND address IS NOT NULL ORDER BY send_id FOR UPDATE
    """
)
_OWNERS = Columns(send_id="text", customer_id="text")
_TELL_APART = text(
    f"""
    UPDATE sends SET customer_id = given.customer_id FROM {_OWNERS.given} WHERE sends.send_id = given.send_id
    """  # noqa: S608  # composed of column names, never values
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A survey that was sent to an address."""

    send_id: str
    address: str
    sent_at: datetime


async def hold_off(connection: AsyncConnection) -> None:
    """Until the transaction ends, no id is found out."""
    await connection.execute(_HOLD_OFF)


async def among(connection: AsyncConnection, digests: Collection[bytes]) -> set[bytes]:
    """Those of the customers whose id turned out to be many people's."""
    if not digests:
        return set()
    return set(map(bytes, (await connection.execute(_AMONG, {"digests": sorted(digests)})).scalars()))


async def remember(connection: AsyncConnection, digests: Collection[bytes]) -> None:
    await connection.execute(_REMEMBER, {"digests": sorted(digests)})


async def sent_under(connection: AsyncConnection, customer_ids: Collection[str]) -> list[Sent]:
    """What was sent under these ids, locked."""
    rows = await connection.execute(_SENT_UNDER, {"customer_ids": sorted(customer_ids)})
    return [Sent(row.send_id, row.address, row.sent_at) for row in rows]


async def tell_apart(connection: AsyncConnection, customer_of: Mapping[str, str]) -> None:
    """Gives surveys, by send id, to other customers."""
    rows = ({"send_id": send_id, "customer_id": customer_id} for send_id, customer_id in customer_of.items())
    await connection.execute(_TELL_APART, _OWNERS.parameters(rows))
