"""SQL for preference changes that arrived before their send and wait for it (table ``early_wishes``).

A change must not be lost in a race: the batch with the send looks for a pending change, the request with the change
looks for the send. A table lock makes one of them finish first, so that the other sees the result.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.preferences import PendingPreference
from shared.persistence.columns import Columns

# The two modes conflict. Batches do not block batches, but requests block requests: the last one wins.
_HOLD_OFF_CHANGES = text("LOCK TABLE early_wishes IN ROW EXCLUSIVE MODE")
_HOLD_OFF_SENDS = text("LOCK TABLE early_wishes IN SHARE ROW EXCLUSIVE MODE")


async def hold_off_changes(connection: AsyncConnection) -> None:
    """For a batch, before it touches a send: until it ends, no change can be added that it would miss. Requests also
    lock this table before they lock a send, so that the two cannot deadlock."""
    await connection.execute(_HOLD_OFF_CHANGES)


async def hold_off_sends(connection: AsyncConnection) -> None:
    """For a request that has not found its send: waits for batches in progress, and blocks new ones."""
    await connection.execute(_HOLD_OFF_SENDS)


_PUT = text(
    """
    INSERT INTO early_wishes (send_id, wish, wished_at) VALUES (:send_id, :change, :requested_at)
    ON CONFLICT (send_id) DO UPDATE SET wish = EXCLUDED.wish, wished_at = EXCLUDED.wished_at
    """
)
_PENDING = Columns(send_id="text", wish="text", wished_at="timestamptz")
# What the customer chose covers more; a complaint is more than a bounce.
_PUT_UNLESS_CHOSEN = text(
    f"""
    INSERT INTO early_wishes ({_PENDING.names}) SELECT {_PENDING.values} FROM {_PENDING.given}
    ON CONFLICT (send_id) DO UPDATE SET wish = EXCLUDED.wish, wished_at = EXCLUDED.wished_at
    WHERE early_wishes.wish = 'bounce'
    """  # noqa: S608  # composed of column names, never values
)
_EXISTS = text("SELECT EXISTS (SELECT FROM early_wishes WHERE send_id = :send_id)")
_TAKE = text(
    "DELETE FROM early_wishes WHERE send_id = ANY(CAST(:send_ids AS text[])) RETURNING send_id, wish, wished_at"
)
_PRUNE = text(
    """
    DELETE FROM early_wishes WHERE send_id IN (
        SELECT send_id FROM early_wishes WHERE wished_at < :before ORDER BY wished_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    )
    """
)


async def put(connection: AsyncConnection, pending: PendingPreference) -> None:
    """Stores the change, replacing an earlier one for the same send."""
    await connection.execute(
        _PUT, {"send_id": pending.send_id, "change": pending.change, "requested_at": pending.requested_at}
    )


async def put_unless_chosen(connection: AsyncConnection, pending: Sequence[PendingPreference]) -> None:
    """Stores bounces and complaints, each of another send; not over a change of the customer's own."""
    rows = [{"send_id": each.send_id, "wish": each.change, "wished_at": each.requested_at} for each in pending]
    await connection.execute(_PUT_UNLESS_CHOSEN, _PENDING.parameters(rows))


async def exists(connection: AsyncConnection, send_id: str) -> bool:
    """Whether a change is waiting for this send."""
    return bool((await connection.execute(_EXISTS, {"send_id": send_id})).scalar_one())


async def take(connection: AsyncConnection, send_ids: Sequence[str]) -> list[PendingPreference]:
    """Deletes the changes that were waiting for these sends, and returns them."""
    rows = await connection.execute(_TAKE, {"send_ids": send_ids})
    return [PendingPreference(row.send_id, row.wish, row.wished_at) for row in rows]


async def prune(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Deletes up to ``limit`` changes older than ``before``; returns how many."""
    return (await connection.execute(_PRUNE, {"before": before, "limit": limit})).rowcount
