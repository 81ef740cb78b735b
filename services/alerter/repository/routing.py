"""The current routing rules: one row, shared by all replicas."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_READ = text("SELECT version, document FROM routing")
_LOCK = text("SELECT version, document, file_digest, changed_at, changed_by FROM routing FOR UPDATE")
_LOCK_MISSING = text("SELECT pg_advisory_xact_lock(hashtextextended('hearback.routing.' || current_schema(), 0))")
_SAVE = text(
    """
    INSERT INTO routing (version, document, file_digest, changed_at, changed_by)
    VALUES (:version, :document, :file_digest, :changed_at, :changed_by)
    ON CONFLICT (only_row) DO UPDATE
    SET version = excluded.version, document = excluded.document, file_digest = excluded.file_digest,
        changed_at = excluded.changed_at, changed_by = excluded.changed_by
    """
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
    """Version and text of the rules in force; None before the first."""
    row = (await connection.execute(_READ)).one_or_none()
    return None if row is None else (row.version, row.document)


async def lock(connection: AsyncConnection) -> StoredRouting | None:
    """The row, locked until the transaction ends, even if there is none yet."""
    await connection.execute(_LOCK_MISSING)
    row = (await connection.execute(_LOCK)).mappings().one_or_none()
    return None if row is None else StoredRouting(**row)


async def save(connection: AsyncConnection, stored: StoredRouting) -> None:
    await connection.execute(
        _SAVE,
        {
            "version": stored.version,
            "document": stored.document,
            "file_digest": stored.file_digest,
            "changed_at": stored.changed_at,
            "changed_by": stored.changed_by,
        },
    )
