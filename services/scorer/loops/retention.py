"""Deletes what has passed its retention."""

from datetime import timedelta

from services.scorer.domain.windows import day_of
from services.scorer.repository import comments, surveys
from services.scorer.settings import ScorerSettings
from shared.runtime import Runtime

_SURVEYS_KEPT_DAYS = 90
"""Longer than Kafka retains sends and deliveries (shared/contracts/topics.py): neither arrives later than this."""


class RetentionLoop:
    def __init__(self, runtime: Runtime[ScorerSettings]) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Deletes comments beyond the number kept, and the facts of surveys too old to receive more events."""
        settings = self._runtime.settings
        today = day_of(self._runtime.clock.now(), settings.zone)
        async with self._runtime.transaction() as connection:
            await comments.keep_newest(connection, settings.comments_kept)
            await surveys.forget(connection, before=today - timedelta(days=_SURVEYS_KEPT_DAYS))
        return False
