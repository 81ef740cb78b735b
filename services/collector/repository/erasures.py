"""SQL that erases a customer, keeping only a digest as a tombstone.

It covers every table with personal data: a new personal column has to be wiped here too.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.repository.answers import stored_answer
from shared.contracts.answers import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiped:
    """The result of an erasure. ``answers`` are those erased now, as they were before."""

    sends: int
    answers: list[Answer]
    preference_revision: int


# Held to the end of the batch, so that an erasure, which writes to the table, is either visible to us or happens
# after our rows are visible and can be wiped.
_HOLD_OFF_ERASURES = text("LOCK TABLE erasures IN SHARE MODE")
_ERASED_AMONG = text(
    "SELECT customer_digest, erased_at FROM erasures WHERE customer_digest = ANY(CAST(:digests AS bytea[]))"
)


async def erased_among(connection: AsyncConnection, digests: Sequence[bytes]) -> dict[bytes, datetime]:
    """Those of the customers who were erased, and when; no other erasure can happen until the transaction ends."""
    await connection.execute(_HOLD_OFF_ERASURES)
    rows = await connection.execute(_ERASED_AMONG, {"digests": digests})
    return {bytes(row.customer_digest): row.erased_at for row in rows}


_PREFERENCE_REVISIONS = text(
    "SELECT customer_digest, preference_revision FROM erasures WHERE customer_digest = ANY(CAST(:digests AS bytea[]))"
)


async def preference_revisions(connection: AsyncConnection, digests: Collection[bytes]) -> dict[bytes, int]:
    """The last preference revision of the erased ones among these customers."""
    rows = await connection.execute(_PREFERENCE_REVISIONS, {"digests": list(digests)})
    return {bytes(row.customer_digest): row.preference_revision for row in rows}


# First, so that a second erasure of the same customer waits for the first.
_REMEMBER = text(
    """
    INSERT INTO erasures (customer_digest, preference_revision, erased_at)
    VALUES (:digest, 0, :now)
    ON CONFLICT (customer_digest) DO UPDATE SET erased_at = greatest(erasures.erased_at, EXCLUDED.erased_at)
    """
)
# Then the sends: an answer in progress locks its send, so that the statement after this one sees it.
_WIPE_SENDS = text(
    """
    UPDATE sends SET customer_id = NULL, address = NULL, name = NULL, order_id = NULL, product = NULL,
                     segments = '{}', erased_at = :now
    WHERE customer_id = :customer_id
    """
)
_WIPE_ANSWERS = text(
    """
    UPDATE answers SET revision = revision + 1, customer_id = NULL, body = NULL, erased_at = :now
    WHERE customer_id = :customer_id
    RETURNING old.revision AS revision, old.body::text AS body
    """
)
_WIPE_PREFERENCES = text("DELETE FROM preferences WHERE customer_id = :customer_id RETURNING revision")
_NEXT_PREFERENCE_REVISION = text(
    """
    UPDATE erasures SET preference_revision = greatest(preference_revision, :revision) + 1
    WHERE customer_digest = :digest
    RETURNING preference_revision
    """
)


async def wipe(connection: AsyncConnection, customer_id: str, customer_digest: bytes, now: datetime) -> Wiped:
    """Erases the customer's personal data from every table, and takes the next preference revision."""
    await connection.execute(_REMEMBER, {"digest": customer_digest, "now": now})
    whose = {"customer_id": customer_id, "now": now}
    sends = (await connection.execute(_WIPE_SENDS, whose)).rowcount
    wiped = [stored_answer(row.revision, row.body).answer for row in await connection.execute(_WIPE_ANSWERS, whose)]
    answers = [answer for answer in wiped if answer is not None]
    revision = (await connection.execute(_WIPE_PREFERENCES, {"customer_id": customer_id})).scalar() or 0
    following = await connection.execute(_NEXT_PREFERENCE_REVISION, {"digest": customer_digest, "revision": revision})
    return Wiped(sends=sends, answers=answers, preference_revision=following.scalar_one())
