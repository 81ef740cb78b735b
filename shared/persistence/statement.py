"""Statements that go straight to the driver, for the loops where microseconds count.

Through SQLAlchemy a statement costs about 0.15 ms of processor time, which is most of what a small batch costs. Where
the line is, and why, is in docs/decisions/0007-asyncpg-in-the-hot-loops.md.
"""

import asyncio
import re
from collections.abc import Awaitable, Mapping
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

    Needs a connection of ``persistence.transaction`` or ``Runtime.transaction``. The driver keeps it prepared. Of those
    that are executed at the same time on one connection, each waits for those before it (``together``). A JSON column
    is decoded only by SQLAlchemy: read it as text. Raises ``DBAPIError``.
    """

    def __init__(self, sql: str) -> None:
        names: dict[str, int] = {}
        self.sql = _PARAMETER.sub(lambda found: f"${names.setdefault(found[1], len(names) + 1)}", sql)
        self.names = tuple(names)

    async def rows(self, connection: AsyncConnection, values: Mapping[str, object] | None = None) -> list[Row]:
        """All rows."""
        driver = driver_of(connection)
        arguments = self._arguments(values)
        async with driver.turn:
            found: list[Row] = await translated(driver, driver.fetch(self.sql, *arguments, record_class=Row))
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
        arguments = self._arguments(values)
        async with driver.turn:
            told: str = await translated(driver, driver.execute(self.sql, *arguments))
        return int(told.rpartition(" ")[2]) if told[-1:].isdecimal() else 0

    def _arguments(self, values: Mapping[str, object] | None) -> list[object]:
        return [values[name] for name in self.names] if values else []


async def together(*work: Awaitable[Any]) -> list[Any]:
    """The results of what executes statements on one connection: PostgreSQL works on one of them while the parameters
    of the next are written, or the rows of the one before are read. The first of each are executed in the order given.

    Raises the first error, once none of them uses the connection any more.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
