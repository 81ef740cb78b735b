"""The history of each case, one row per entry."""

import json
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.case import Entry
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

_MAX_ENTRIES_READ = 200

_COLUMNS = Columns(case_id="text", sequence="integer", at="timestamptz", kind="text", actor="text", details="jsonb")

_ADD = Statement(f"INSERT INTO case_history ({_COLUMNS.names}) SELECT {_COLUMNS.values} FROM {_COLUMNS.given}")  # noqa: S608  # composed of column names, never values
_ERASE = Statement("DELETE FROM case_history WHERE case_id = ANY(:case_ids)")
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
    rows = (
        {
            "case_id": case_id,
            "sequence": entry.sequence,
            "at": entry.at,
            "kind": entry.kind,
            "actor": entry.actor,
            "details": json.dumps(dict(entry.details)),
        }
        for case_id, entry in entries
    )
    await _ADD.changes(connection, _COLUMNS.parameters(rows))


async def erase(connection: AsyncConnection, case_ids: Sequence[str]) -> None:
    if case_ids:
        await _ERASE.changes(connection, {"case_ids": list(case_ids)})


async def read(connection: AsyncConnection, case_id: str) -> list[Entry]:
    """The latest 200 entries of a case's history, oldest first."""
    rows = await connection.execute(_READ, {"case_id": case_id, "limit": _MAX_ENTRIES_READ})
    entries = [
        Entry(sequence=row.sequence, at=row.at, kind=row.kind, actor=row.actor, details=json.loads(row.details))
        for row in rows
    ]
    return entries[::-1]
