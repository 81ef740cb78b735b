"""Which customer ids are many people's: those configured, and those that turned out to be."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.repository import shared_ids
from shared.digests import CustomerDigests
from shared.guests import Guests


async def among(
    connection: AsyncConnection, digests: CustomerDigests, guests: Guests, customer_ids: Collection[str]
) -> set[str]:
    """Those of the ids that are many people's."""
    by_digest = {digests.digest(customer_id): customer_id for customer_id in customer_ids}
    found = await shared_ids.among(connection, by_digest)
    return {by_digest[digest] for digest in found} | {each for each in customer_ids if guests.shares(each)}
