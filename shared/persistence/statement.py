"""Statements that go straight to the driver, for the loops where microseconds count.

Through SQLAlchemy a statement costs about 0.15 ms of processor time, which is most of what a small batch costs. Where
the line is, and why, is in docs/decisions/0007-asyncpg-in-the-hot-loops.md.
"""

import re
from collections.abc import Mapping
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.transaction import driver_of, translated

# As in SQLAlchemy's text(): a name after one colon, which is no cast.
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)(?!:)")


class Row(asyncpg.Record):  # type: ignore[misc]  # a library without types
    """A row whose columns can be read by ``row.name``, ``row["name"]`` and ``row[0]``."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Statement:
    """SQL with parameters like ``:name``, as in SQLAlchemy's ``text``; none may stand in a literal.

    Needs a connection of ``persistence.transaction`` or ``Runtime.transaction``. The driver keeps it prepared. A JSON
    column is decoded only by SQLAlchemy: read it as text. Raises ``DBAPIError``.
    """

    def __init__(self, sql: str) -> None:
        names: dict[str, int] = {}
        self.sql = _PARAMETER.sub(lambda found: f"${names.setdefault(found[1], len(names) + 1)}", sql)
        self.names = tuple(names)

    async def rows(self, connection: AsyncConnection, values: Mapping[str, object] | None = None) -> list[Row]:
        """All rows."""
        driver = driver_of(connection)
        found: list[Row] = await translated(driver, driver.fetch(self.sql, *self._arguments(values), record_class=Row))
        return found

    async def row(self, connection: AsyncConnection, values: Mapping[str, object] | None = None) -> Row | None:
        """The first row; None if there is none."""
        found = await self.rows(connection, values)
        return found[0] if found else None

    async def value(self, connection: AsyncConnection, values: Mapping[str, object] | None = None) -> Any:
        """The first column of the first row; None if there is none."""
        found = await self.rows(connection, values)
        return found[0][0] if found else None

    async def changes(self, connection: AsyncConnection, values: Mapping[str, object] | None = None) -> int:
        """Executes it; returns how many rows were inserted, updated or deleted."""
        driver = driver_of(connection)
        told: str = await translated(driver, driver.execute(self.sql, *self._arguments(values)))
        return int(told.rpartition(" ")[2]) if told[-1:].isdecimal() else 0

    def _arguments(self, values: Mapping[str, object] | None) -> list[object]:
        return [values[name] for name in self.names] if values else []
