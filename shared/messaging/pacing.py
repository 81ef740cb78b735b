"""How often small batches may begin: at once after a silence, then at a distance, so that they grow under load.

What a batch costs hardly depends on how much is in it. So the first of what arrives after a silence does not wait, and
what follows is gathered until the distance from the batch before has passed. A batch that is large enough never waits.
"""

import time
from collections.abc import Callable

# In how many steps a distance is waited: Kafka's client fetches nothing more of a partition while records of it have
# not been taken, so what arrives meanwhile must be taken several times.
STEPS = 3
# A step that brings so many more tells of a backlog, in which the next ones are already there.
_BACKLOG = 100
_SHORTEST_STEP = 0.001


class Pacing:
    """Keeps batches ``distance`` seconds apart, from beginning to beginning."""

    def __init__(self, distance: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._distance = distance
        self._now = now
        self._began_at = float("-inf")

    def begin(self) -> None:
        """A batch begins."""
        self._began_at = self._now()

    def remaining(self) -> float:
        """Seconds until the next batch may begin, 0 if it may."""
        return max(0.0, self._began_at + self._distance - self._now())

    def step(self, brought: int) -> float:
        """Seconds until it is time to take what has arrived, after ``brought`` records were taken last."""
        if brought >= _BACKLOG:
            return _SHORTEST_STEP
        return max(_SHORTEST_STEP, self._distance / STEPS)
