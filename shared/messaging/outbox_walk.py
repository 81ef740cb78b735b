"""From where on the outbox is read: behind what is certainly published, so that deleted rows are not walked over again.

PostgreSQL cannot remove a deleted row while any snapshot from before is held, such as that of a ``pg_dump``. A million
of them at the beginning of the index would be walked over each time the outbox is read.

Rows are numbered in the order in which they are written, and transactions commit in another order: when a row can be
seen, one with a smaller number may still be about to be committed. So the walk passes a number only when every
transaction that was at work when it was first seen has ended, and a read since then has shown what they left. That is
known from two numbers of each read's snapshot: the first transaction that was still at work (``xmin``), and the first
that had not begun yet (``xmax``). Whatever was numbered before a row that is seen was numbered by a transaction before
that snapshot's ``xmax``; once a later snapshot's ``xmin`` has reached this, that later snapshot shows all of it.

One instant is left: PostgreSQL may number a row before it numbers its transaction. Therefore, and for rows that come
back under their old numbers (``SetAsideEvents``), the outbox is read from the beginning as often as that is affordable:
each time, usually, and every few seconds when it is slow.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from shared.ration import Ration

BEGINNING = 0
# While a transaction goes on for hours, the numbers passed are remembered more coarsely.
_MOST_SEEN = 1_000


@dataclass(frozen=True, slots=True)
class Read:
    """A read of the outbox: the ``ids`` found behind ``after``, in order, of which there may be more if ``full``.

    ``xmin`` and ``xmax`` are those of its snapshot.
    """

    after: int
    ids: Sequence[int]
    full: bool
    xmin: int
    xmax: int
    seconds: float


class OutboxWalk:
    """``now`` is in seconds, for tests."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._after = BEGINNING
        self._sweeps = Ration(now=now)
        # The largest number of each read, and the xmax of its snapshot.
        self._seen: deque[tuple[int, int]] = deque()

    def next(self) -> int:
        """The number behind which to read now."""
        return BEGINNING if self._sweeps.due() else self._after

    def restart(self) -> None:
        """Reads from the beginning again: rows may have come back."""
        self._sweeps.reset()

    def advance(self, read: Read, *, left: Collection[int]) -> None:
        """After what was read has been dealt with; ``left`` are those of it that are still there."""
        if read.after == BEGINNING:
            self._sweeps.took(read.seconds)
        if not read.ids:
            return
        if len(self._seen) == _MOST_SEEN:
            self._seen.pop()
        self._seen.append((read.ids[-1], read.xmax))
        passed = self._after
        while self._seen and self._seen[0][1] <= read.xmin:
            passed = max(passed, self._seen.popleft()[0])
        if read.full:
            passed = min(passed, read.ids[-1])
        if left:
            passed = min(passed, min(left) - 1)
        self._after = passed
