"""The current routing rules: one row, shared by all replicas."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

_COLUMNS = Columns(version="integer", document="text", file_digest="text", changed_at="timestamptz", changed_by="text")

_READ = Statement("SELECT version, document FROM routing")
_LOCK = text(f"SELECT {_COLUMNS.names} FROM routing FOR UPDATE")  # noqa: S608  # composed of column names, never values
_LOCK_MISSING = text("SELECT pg_advisory_xact_lock(hashtextextended('hearback.routing.' || current_schema(), 0))")
_SAVE = text(
    f"""
    INSERT INTO routing ({_COLUMNS.names}) SELECT {_COLUMNS.values} FROM {_COLUMNS.given}
    ON CONFLICT (only_row) DO UPDATE SET {_COLUMNS.updates("excluded")}
    """  # noqa: S608  # composed of column names, never values
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRouting:
    """The row. ``file_digest`` is that of the rules file last applied, regardless of later changes through the API."""

    version: int
    document: str
    file_digest: str
    changed_at: datetime
    changed_by: str


async def read(connection: AsyncConnection) -> tuple[int, str] | None:
    """Version and text of the current rules; None before the first."""
    row = await _READ.row(connection)
    return None if row is None else (row.version, row.document)


async def lock(connection: AsyncConnection) -> StoredRouting | None:
    """The row, locked until the transaction ends, even if there is none yet."""
    await connection.execute(_LOCK_MISSING)
    row = (await connection.execute(_LOCK)).mappings().one_or_none()
    return None if row is None else StoredRouting(**row)


async def save(connection: AsyncConnection, stored: StoredRouting) -> None:
    await connection.execute(_SAVE, _COLUMNS.attributes([stored]))
