"""The routing rules in force: one row, every replica reads the same."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_READ = text("SELECT version, document, file_digest, changed_at, changed_by FROM routing")
_VERSION = text("SELECT version FROM routing")
_LOCK = text("SELECT version, document, file_digest, changed_at, changed_by FROM routing FOR UPDATE")
_SAVE = text(
    """
    INSERT INTO routing (version, document, file_digest, changed_at, changed_by)
    VALUES (:version, :document, :file_digest, :changed_at, :changed_by)
    ON CONFLICT (only_row) DO UPDATE
    SET version = excluded.version, document = excluded.document, file_digest = excluded.file_digest,
        changed_at = excluded.changed_at, changed_by = excluded.changed_by
    """
)
_INTRODUCE_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('hearback.routing.' || current_schema(), 0))")


@dataclass(frozen=True, slots=True)
class Stored:
    """``file_digest`` is of the rules file that was taken over last, whatever was written by API since."""

    version: int
    document: str
    file_digest: str
    changed_at: datetime
    changed_by: str


async def version(connection: AsyncConnection) -> int | None:
    return (await connection.execute(_VERSION)).scalar()


async def read(connection: AsyncConnection) -> Stored | None:
    row = (await connection.execute(_READ)).one_or_none()
    return None if row is None else Stored(*row)


async def lock(connection: AsyncConnection) -> Stored | None:
    """The row, kept from change by others until the transaction ends, also when there is none yet."""
    await connection.execute(_INTRODUCE_LOCK)
    row = (await connection.execute(_LOCK)).one_or_none()
    return None if row is None else Stored(*row)


async def save(connection: AsyncConnection, stored: Stored) -> None:
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
