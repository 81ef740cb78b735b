"""Which customer ids are many people's: those configured, and those that turned out to be."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.repository import shared_ids
from services.alerter.repository.customers import LockedCustomer
from shared.digests import CustomerDigests
from shared.guests import Guests


async def among(
    connection: AsyncConnection,
    digests: CustomerDigests,
    guests: Guests,
    customer_ids: Collection[str],
    *,
    locked: Mapping[UUID, LockedCustomer] = MappingProxyType({}),
) -> set[str]:
    """Those of the ids that are many people's. To rely on it until the transaction ends, lock the customers first;
    those given as ``locked`` are not read again."""
    configured = {customer_id for customer_id in customer_ids if guests.shares(customer_id)}
    others = {digests.key(customer_id): customer_id for customer_id in customer_ids if customer_id not in configured}
    found = {key for key in others if key in locked and locked[key].shared}
    found |= await shared_ids.among(connection, digests, others.keys() - locked.keys())
    return configured | {others[key] for key in found}
