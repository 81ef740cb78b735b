"""Publishes changed scores, throttled to leave the process most of its time for answers."""

import time

from services.scorer.actions.scores import BEFORE_ALL, publish_scores
from services.scorer.settings import ScorerSettings
from shared.runtime import Runtime

_REST_OVER_WORK = 12.0
"""The more there is to publish, the longer it takes; it then rests this many times as long, and coalesces more."""


class ScoreLoop:
    def __init__(self, runtime: Runtime[ScorerSettings]) -> None:
        self._runtime = runtime
        self._after = BEFORE_ALL
        self._worked = 0.0
        self._rest_until = 0.0

    async def step(self) -> bool:
        """Publishes the next changed scores, or rests; True when there may be more."""
        started = time.monotonic()
        if started < self._rest_until:
            return False
        published = await publish_scores(self._runtime, after=self._after)
        self._after = published.after
        ended = time.monotonic()
        self._worked += ended - started
        if not published.more:
            self._rest_until, self._worked = ended + _REST_OVER_WORK * self._worked, 0.0
        return published.more
