"""Works through the rows of a table as they come due, in batches: for surveys, deadlines, notices.

Any number of processes may do so at once: a batch locks its rows, and skips those another process has locked.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.transaction import transaction
from shared.runtime import Runtime
from shared.watermark import Claimed, Watermark


class DueTable(Protocol):
    """The statements about one table: a module of a ``repository/``."""

    async def next_due(self, connection: AsyncConnection, /) -> datetime | None:
        """When the next row comes due; None when there is none."""
        ...

    async def claim(self, connection: AsyncConnection, /, *, now: datetime, watermark: datetime, most: int) -> Claimed:
        """Locks the first ``most`` rows due between ``watermark`` and ``now`` that nobody else has locked.

        To stay fast with any backlog, it walks the index (``persistence.planner.index_walk``).
        """
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Locked rows that are due, and the transaction that holds the locks; ``full`` when more may be due."""

    connection: AsyncConnection
    ids: Sequence[str]
    full: bool


class Due:
    """The rows of a table that are due, a batch at a time."""

    def __init__(self, runtime: Runtime[Any], table: DueTable, *, most: int) -> None:
        self._runtime = runtime
        self._table = table
        self._most = most
        self._watermark = Watermark()

    @contextlib.asynccontextmanager
    async def batch(self, now: datetime) -> AsyncIterator[Batch | None]:
        """Up to ``most`` rows due at ``now``, locked in a transaction that commits at the end of the block.

        None when nothing is due, or all of it is locked by others.
        """
        watermark = self._watermark
        if watermark.at_beginning and not await self._anything(now):
            yield None
            return
        async with transaction(self._runtime.engine) as connection:
            claimed = await self._table.claim(connection, now=now, watermark=watermark.position, most=self._most)
            yield Batch(connection, claimed.ids, claimed.full) if claimed.ids else None
        watermark.advance(claimed.reached, full=claimed.full)

    async def _anything(self, now: datetime) -> bool:
        async with self._runtime.autocommit() as connection:
            first = await self._table.next_due(connection)
        return first is not None and first <= now
