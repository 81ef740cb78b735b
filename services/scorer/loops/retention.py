"""Deletes what has passed its retention."""

from datetime import timedelta

from services.scorer.domain.windows import day_of
from services.scorer.repository import comments, surveys
from services.scorer.settings import ScorerSettings
from shared.runtime import Runtime


class RetentionLoop:
    def __init__(self, runtime: Runtime[ScorerSettings]) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Deletes comments that are too old or beyond the number kept, and the facts of surveys that are too old.

        What else is stored is kept on purpose; docs/scorer.md says why.
        """
        settings = self._runtime.settings
        now = self._runtime.clock.now()
        today = day_of(now, settings.zone)
        async with self._runtime.transaction() as connection:
            await comments.forget(connection, before=now - timedelta(days=settings.comments_kept_days))
            await comments.keep_newest(connection, settings.comments_kept)
            await surveys.forget(connection, before=today - timedelta(days=settings.surveys_kept_days))
        return False
