"""Who or what was erased: a table of keyed digests and times, so that a late event cannot bring anything back."""

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

Subject = TypeVar("Subject", bound=Hashable)


class ErasedDigests:
    """A ``table`` with the digests in ``column``, its key, and ``erased_at``; both names are ours."""

    def __init__(self, table: str, column: str) -> None:
        self._column = column
        self._columns = Columns(**{column: "bytea", "erased_at": "timestamptz"})
        self._read = Statement(
            f"SELECT {column} AS digest, erased_at FROM {table} WHERE {column} = ANY(CAST(:digests AS bytea[]))"  # noqa: S608  # names, never values
        )
        self._remember = text(
            f"""
            INSERT INTO {table} ({self._columns.names})
            SELECT {self._columns.values} FROM {self._columns.given} ORDER BY {column}
            ON CONFLICT ({column}) DO UPDATE SET erased_at = GREATEST({table}.erased_at, excluded.erased_at)
            """  # noqa: S608  # composed of names, never values
        )

    async def read(self, connection: AsyncConnection, by_digest: Mapping[bytes, Subject]) -> dict[Subject, datetime]:
        """When those of these that were erased were, given each by its digest."""
        if not by_digest:
            return {}
        rows = await self._read.rows(connection, {"digests": list(by_digest)})
        return {by_digest[row["digest"]]: row["erased_at"] for row in rows}

    async def remember(self, connection: AsyncConnection, times: Mapping[bytes, datetime]) -> None:
        """Adds erasures, by digest; the latest of each counts."""
        if times:
            rows = ({self._column: digest, "erased_at": at} for digest, at in times.items())
            await connection.execute(self._remember, self._columns.parameters(rows))
