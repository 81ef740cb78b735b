"""Sessions that ended before their time: their cookies stay signed, so they are listed until these expire."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.statement import Statement

_MOST_PRUNED = 1_000

_IS_WITHDRAWN = Statement("SELECT EXISTS (SELECT FROM withdrawn_sessions WHERE session_id = :session_id)")
_WITHDRAW = text(
    """
    INSERT INTO withdrawn_sessions (session_id, expires_at)
    SELECT * FROM unnest(CAST(:session_ids AS text[]), CAST(:expire_at AS timestamptz[])) ORDER BY 1
    ON CONFLICT DO NOTHING
    RETURNING session_id
    """
)
# An hour later than needed, as the clocks of processes and the database may differ.
_PRUNE = text(
    """
    DELETE FROM withdrawn_sessions WHERE session_id IN (
        SELECT session_id FROM withdrawn_sessions WHERE expires_at < now() - interval '1 hour'
        ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    """
)


async def is_withdrawn(connection: AsyncConnection, session_id: str) -> bool:
    return bool(await _IS_WITHDRAWN.value(connection, {"session_id": session_id}))


async def withdraw(connection: AsyncConnection, expire_at: Mapping[str, datetime]) -> frozenset[str]:
    """Withdraws sessions, by id when each expires; returns those that were not withdrawn yet. Prunes expired ones."""
    await connection.execute(_PRUNE, {"most": _MOST_PRUNED})
    rows = {"session_ids": list(expire_at), "expire_at": list(expire_at.values())}
    return frozenset((await connection.execute(_WITHDRAW, rows)).scalars())
