"""Folds changes, works off the beginning of a day, and publishes scores: everybody's first, then the oldest.

Everybody's scores are published in every round. The others get a share of the time that grows with the age of the
oldest: while little happens they are published at once, and under load many changes of a score become one publication.
"""

import time

from services.scorer.actions.day_counts import CHANGES_AT_ONCE, fold_changes, walk
from services.scorer.actions.scores import publish_everybody, publish_oldest
from services.scorer.domain.windows import day_of
from services.scorer.repository import publisher
from services.scorer.repository.publisher import Due
from services.scorer.settings import ScorerSettings
from shared import metrics
from shared.persistence.engine import took_too_long
from shared.runtime import Runtime

_LEAST_SHARE, _MOST_SHARE = 0.1, 0.5
"""Of the time: what scores take is missing for answers."""
_FOLDING_SECONDS = 10.0
"""So long a round may fold; nothing is published before all is folded that there was when it began."""
_QUICK_SECONDS = 5.0
"""A fold that took no longer may be followed by a larger one."""
_LATE_SECONDS = 20.0
"""At this age the oldest gets the largest share."""
_LONGEST_ROUND_SECONDS = 10.0
"""However long the pause between rounds: a process that takes very long counts as dead."""


class ScoreLoop:
    def __init__(self, runtime: Runtime[ScorerSettings]) -> None:
        self._runtime = runtime
        self._most = CHANGES_AT_ONCE
        self._folded_to: str | None = None
        self._unfolded_since: float | None = None

    async def step(self) -> bool:
        """One round. The next one waits, so that more comes together, unless there are very many changes to fold."""
        began = time.monotonic()
        async with self._runtime.autocommit() as connection:
            found = await publisher.due(connection)
        metrics.score_age_seconds.set(max(found.oldest_seconds or 0.0, self._unfolded_seconds(found)))
        walking = self._walk_is_due(found)
        if not found.changes and not walking and found.oldest_seconds is None:
            return False
        if found.changes:
            while await self._fold():
                if time.monotonic() - began > _FOLDING_SECONDS:
                    return True
        if walking:
            # A day that begins brings everybody's sums to it first.
            walking = await walk(self._runtime)
        await publish_everybody(self._runtime)
        until = began + work_seconds(found.oldest_seconds or 0.0, pause=self._runtime.settings.publish_seconds)
        while walking or await publish_oldest(self._runtime):
            if time.monotonic() >= until:
                break
            walking = walking and await walk(self._runtime)
        return False

    async def _fold(self) -> bool:
        """Folds changes, and fewer of them after that took too long; whether there are more."""
        began = time.monotonic()
        try:
            more = await fold_changes(self._runtime, most=self._most)
        except Exception as error:
            if took_too_long(error, time.monotonic() - began):
                self._most = max(1, self._most // 2)
            raise
        if time.monotonic() - began <= _QUICK_SECONDS:
            self._most = min(CHANGES_AT_ONCE, 2 * self._most)
        return more

    def _unfolded_seconds(self, found: Due) -> float:
        """For how long this process has seen changes without any process having folded all there were."""
        if not found.changes:
            self._unfolded_since = None
        elif self._unfolded_since is None or found.folded_to != self._folded_to:
            self._unfolded_since = time.monotonic()
        self._folded_to = found.folded_to
        return 0.0 if self._unfolded_since is None else time.monotonic() - self._unfolded_since

    def _walk_is_due(self, found: Due) -> bool:
        today = day_of(self._runtime.clock.now(), self._runtime.settings.zone)
        known = found.publisher
        return known.walk.to is not None or known.on(today) != known.last_day


def work_seconds(oldest_seconds: float, *, pause: float) -> float:
    """How long a round may take that is followed by a ``pause``, when the oldest score waits for so long."""
    share = _LEAST_SHARE + (_MOST_SHARE - _LEAST_SHARE) * min(1.0, oldest_seconds / _LATE_SECONDS)
    return min(_LONGEST_ROUND_SECONDS, pause * share / (1 - share))
