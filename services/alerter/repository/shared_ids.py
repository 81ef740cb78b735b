"""Which customer ids turned out to be many people's, as keyed digests; see ``shared.contracts.shared_ids``."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.digests import CustomerDigests
from shared.persistence.statement import Statement

_AMONG = Statement("SELECT customer_digest FROM shared_ids WHERE customer_digest = ANY(CAST(:digests AS bytea[]))")
_REMEMBER = Statement(
    """
    INSERT INTO shared_ids (customer_digest)
    SELECT digest FROM unnest(CAST(:digests AS bytea[])) AS digest ORDER BY digest
    ON CONFLICT DO NOTHING
    """
)
# An erasure of one person must find every order they placed, under whichever id, and every answer about it: it waits
# for batches with orders and answers in progress, and they for it. Rows alone cannot be locked: they may not exist yet.
_HOLD_OFF = Statement("SELECT pg_advisory_xact_lock_shared(hashtextextended('hearback.alerter.guests', 0))")
_WAIT = Statement("SELECT pg_advisory_xact_lock(hashtextextended('hearback.alerter.guests', 0))")


async def among(connection: AsyncConnection, digests: CustomerDigests, keys: Collection[UUID]) -> set[UUID]:
    """Those of the customers whose id turned out to be many people's."""
    if not keys:
        return set()
    by_digest = {digests.of_key(key): key for key in keys}
    rows = await _AMONG.rows(connection, {"digests": list(by_digest)})
    return {by_digest[row["customer_digest"]] for row in rows}


async def remember(connection: AsyncConnection, digests: CustomerDigests, keys: Collection[UUID]) -> None:
    await _REMEMBER.changes(connection, {"digests": [digests.of_key(key) for key in keys]})


async def hold_off_erasures_of_guests(connection: AsyncConnection) -> None:
    """For a batch with orders or answers, before it locks a row."""
    await _HOLD_OFF.rows(connection)


async def wait_for_orders(connection: AsyncConnection) -> None:
    """For a batch that erases a guest, before it locks a row."""
    await _WAIT.rows(connection)
