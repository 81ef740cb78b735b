"""How a loop walks due rows: in batches, each starting where the previous one ended."""

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from shared.ration import Ration

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

# Seconds. A walk from the beginning that takes no longer is repeated as often as anybody asks.
_QUICK = 0.005
_LONGEST_REST = 60.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """The ids a batch locked, sorted, and the latest time among their rows; ``full`` when more may be due."""

    ids: Sequence[str]
    reached: datetime | None
    full: bool

    @classmethod
    def of(cls, rows: Iterable[tuple[str, datetime]], *, most: int) -> Self:
        """From the (id, time due) of the rows found when looking for the first ``most``."""
        found = list(rows)
        ids = sorted({name for name, _ in found})
        return cls(ids, max((due_at for _, due_at in found), default=None), full=len(found) == most)


@dataclass(frozen=True, slots=True)
class First:
    """When the first of some rows comes due, None if there is none; and what time it is by the clock they go by."""

    due_at: datetime | None
    now: datetime

    @property
    def due(self) -> bool:
        return self.due_at is not None and self.due_at <= self.now

    def seconds_left(self) -> float:
        """By the same clock; infinitely many if there is no row."""
        return math.inf if self.due_at is None else max(0.0, (self.due_at - self.now).total_seconds())


Find = Callable[[datetime], Awaitable[First]]
"""Finds the first row that comes due at this time or later."""


class Watermark:
    """Where to look for due rows. ``clock`` has monotonic seconds; ``late`` is by how much rows usually become visible
    after the time they carry.

    What was handled leaves dead entries in the index, which stay as long as any transaction might still see them, such
    as a dump of the database that runs for an hour. A walk over a million of them takes long, so it starts
    behind those it has passed.

    But rows may have been added there since (late events), or were locked by others when it passed. So the walk returns
    to the beginning: every time, as long as that is quick, and otherwise only so often that little time is spent on it.
    """

    def __init__(self, clock: Callable[[], float], *, late: timedelta = timedelta(0)) -> None:
        self.position = BEGINNING
        self._late = late
        self._clock = clock
        self._sweeps = Ration(now=clock, quick=_QUICK, longest=_LONGEST_REST)
        self._sweeping: float | None = None

    async def look(self, find: Find) -> First:
        """The first row there is, as far as it is time to look. ``position`` is then where it is, or where later ones
        will be; nothing due was found before it."""
        began = self._clock()
        sweep = self._sweeps.due()
        first = await find(BEGINNING if sweep else self.position)
        settled = first.now - self._late
        self.position = settled if first.due_at is None else min(first.due_at, settled)
        self._sweeping = None
        if sweep:
            self._swept(self._clock() - began)
        return first

    def claimed(self, claimed: Claimed, seconds: float) -> None:
        """After a batch was claimed from ``position`` on, which took so many ``seconds``.

        What could not be claimed is looked for again from the same position.
        """
        if claimed.full and claimed.reached is not None:
            self.position = claimed.reached
        if self._sweeping is not None:
            self._swept(seconds)

    def _swept(self, seconds: float) -> None:
        """A walk from the beginning consists of finding the first row and of claiming those behind it."""
        self._sweeping = seconds + (self._sweeping or 0.0)
        self._sweeps.took(self._sweeping)
