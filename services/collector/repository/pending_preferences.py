"""SQL for wishes that came before the send they are about, and wait for it.

A wish must not slip between two looks: the batch that brings the send looks for a wish, the request that brings the
wish looks for the send. A lock on the table lets one of them end first, and the other then sees what it left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.preferences import Wish


@dataclass(frozen=True, slots=True)
class EarlyWish:
    send_id: str
    wish: Wish
    wished_at: datetime


# The two modes exclude each other; batches do not exclude batches, but requests do requests: the last wish is the last.
_HOLD_OFF_WISHES = text("LOCK TABLE early_wishes IN ROW EXCLUSIVE MODE")
_HOLD_OFF_SENDS = text("LOCK TABLE early_wishes IN SHARE ROW EXCLUSIVE MODE")


async def hold_off_wishes(connection: AsyncConnection) -> None:
    """For a batch, before it touches a send: until it ends, no wish is kept behind its back. Requests take this lock
    before they hold a send, too, so that the two never wait for each other in a circle."""
    await connection.execute(_HOLD_OFF_WISHES)


async def hold_off_sends(connection: AsyncConnection) -> None:
    """For a request that has not found its send: batches on their way have ended after this, and none begins."""
    await connection.execute(_HOLD_OFF_SENDS)


_KEEP = text(
    """
    INSERT INTO early_wishes (send_id, wish, wished_at) VALUES (:send_id, :wish, :now)
    ON CONFLICT (send_id) DO UPDATE SET wish = EXCLUDED.wish, wished_at = EXCLUDED.wished_at
    """
)
_IS_KEPT = text("SELECT EXISTS (SELECT FROM early_wishes WHERE send_id = :send_id)")
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


async def keep(connection: AsyncConnection, send_id: str, wish: Wish, now: datetime) -> None:
    """Keeps the wish, in place of an earlier one."""
    await connection.execute(_KEEP, {"send_id": send_id, "wish": wish, "now": now})


async def is_kept(connection: AsyncConnection, send_id: str) -> bool:
    """Whether a wish waits for this send."""
    return bool((await connection.execute(_IS_KEPT, {"send_id": send_id})).scalar_one())


async def take(connection: AsyncConnection, send_ids: Sequence[str]) -> list[EarlyWish]:
    """Removes the wishes that waited for these sends, and gives them back."""
    rows = await connection.execute(_TAKE, {"send_ids": send_ids})
    return [EarlyWish(row.send_id, row.wish, row.wished_at) for row in rows]


async def prune(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Removes up to ``limit`` wishes from before then; gives back how many it were."""
    return (await connection.execute(_PRUNE, {"before": before, "limit": limit})).rowcount
