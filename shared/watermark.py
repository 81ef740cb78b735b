"""How a loop walks due rows: in batches, each starting where the previous one ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
BATCHES_BETWEEN_SWEEPS = 50


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


class Watermark:
    """Where the next batch of due rows starts.

    While there is a backlog, a batch starts where the previous one ended, to avoid the dead index entries it left
    behind. Once the backlog is drained, and every 50 batches in between, the walk restarts at the beginning, where late
    events may have added due rows.
    """

    def __init__(self) -> None:
        self.position = BEGINNING
        self._batches = 0

    @property
    def at_beginning(self) -> bool:
        return self.position == BEGINNING

    def advance(self, reached: datetime | None, *, full: bool) -> None:
        """After a batch: the latest moment in it, None when it was empty, and whether there may be more."""
        self._batches += 1
        sweep = self._batches % BATCHES_BETWEEN_SWEEPS == 0
        self.position = BEGINNING if reached is None or not full or sweep else reached
