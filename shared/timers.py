"""How a loop walks what is due: in batches, each starting where the one before ended."""

from datetime import UTC, datetime

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
BATCHES_BETWEEN_SWEEPS = 50


class Watermark:
    """Where the next batch of what is due starts.

    While there is a backlog a batch starts where the one before ended, so as not to walk over the rows that one left
    dead in the index. Once the backlog is worked off, and every 50 batches in between, the walk starts at the
    beginning again, where late events may have set something due.
    """

    def __init__(self) -> None:
        self.position = BEGINNING
        self._batches = 0

    @property
    def at_beginning(self) -> bool:
        return self.position == BEGINNING

    def advance(self, reached: datetime | None, *, full: bool) -> None:
        """After a batch: the latest ``due_at`` in it, None when it was empty, and whether there may be more behind."""
        self._batches += 1
        sweep = self._batches % BATCHES_BETWEEN_SWEEPS == 0
        self.position = BEGINNING if reached is None or not full or sweep else reached
