"""The history of each case, one row per entry."""

import json
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.case import Entry

_MAX_ENTRIES_READ = 200

_ADD = text(
    """
    INSERT INTO case_history (case_id, sequence, at, kind, actor, details)
    SELECT case_id, sequence, at, kind, actor, details::jsonb
    FROM unnest(CAST(:case_ids AS text[]), CAST(:sequences AS integer[]), CAST(:times AS timestamptz[]),
                CAST(:kinds AS text[]), CAST(:actors AS text[]), CAST(:details AS text[]))
         AS entry (case_id, sequence, at, kind, actor, details)
    """
)
_ERASE = text("DELETE FROM case_history WHERE case_id = ANY(:case_ids)")
_READ = text(
    """
    SELECT sequence, at, kind, actor, details::text AS details FROM case_history
    WHERE case_id = :case_id ORDER BY sequence DESC LIMIT :limit
    """
)


async def add(connection: AsyncConnection, entries: Sequence[tuple[str, Entry]]) -> None:
    """``entries`` are pairs of case id and entry."""
    if not entries:
        return
    await connection.execute(
        _ADD,
        {
            "case_ids": [case_id for case_id, _ in entries],
            "sequences": [entry.sequence for _, entry in entries],
            "times": [entry.at for _, entry in entries],
            "kinds": [entry.kind for _, entry in entries],
            "actors": [entry.actor for _, entry in entries],
            "details": [json.dumps(dict(entry.details)) for _, entry in entries],
        },
    )


async def erase(connection: AsyncConnection, case_ids: Sequence[str]) -> None:
    if case_ids:
        await connection.execute(_ERASE, {"case_ids": list(case_ids)})


async def read(connection: AsyncConnection, case_id: str) -> list[Entry]:
    """The latest 200 entries of a case's history, oldest first."""
    rows = await connection.execute(_READ, {"case_id": case_id, "limit": _MAX_ENTRIES_READ})
    entries = [
        Entry(sequence=row.sequence, at=row.at, kind=row.kind, actor=row.actor, details=json.loads(row.details))
        for row in rows
    ]
    return entries[::-1]
