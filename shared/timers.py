"""Works through the rows of a table as they come due, in batches: for surveys, deadlines, notices.

Any number of processes may do so at once: a batch locks its rows, and skips those another process has locked.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.persistence.transaction import transaction
from shared.runtime import Runtime
from shared.watermark import Claimed, First, Watermark


class DueTable(Protocol):
    """The statements about one table: a module of a ``repository/``."""

    async def next_due(self, connection: AsyncConnection, /, *, since: datetime) -> datetime | None:
        """When the first row from ``since`` on comes due; None when there is none."""
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
    """The rows of a table that are due, a batch at a time: ask ``anything``, then take a ``batch``."""

    def __init__(self, runtime: Runtime[Any], table: DueTable, *, most: int) -> None:
        self._runtime = runtime
        self._table = table
        self._most = most
        self._watermark = Watermark(time.monotonic)
        self.next_due: datetime | None = None
        """When the first row that was found last comes due; None if there was none."""

    async def anything(self, now: datetime) -> bool:
        """Whether anything is due ``now``."""

        async def find(since: datetime) -> First:
            async with self._runtime.autocommit() as connection:
                return First(await self._table.next_due(connection, since=since), now)

        first = await self._watermark.look(find)
        self.next_due = first.due_at
        return first.due

    @contextlib.asynccontextmanager
    async def batch(self, now: datetime) -> AsyncIterator[Batch | None]:
        """Up to ``most`` rows due at ``now``, locked in a transaction that commits at the end of the block.

        None when nothing is due, or all of it is locked by others.
        """
        async with transaction(self._runtime.engine) as connection:
            began = time.monotonic()
            position = self._watermark.position
            claimed = await self._table.claim(connection, now=now, watermark=position, most=self._most)
            seconds = time.monotonic() - began
            yield Batch(connection, claimed.ids, claimed.full) if claimed.ids else None
        self._watermark.claimed(claimed, seconds)
