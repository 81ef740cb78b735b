"""The score of one window, and the latest published change."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.scores import NOTHING, WindowScore, window_score
from services.scorer.domain.windows import days_before
from services.scorer.queries.selections import selection_of, sums_of
from services.scorer.repository import scores


async def score_of(connection: AsyncConnection, query: ScoreQuery, *, minimum: int) -> WindowScore:
    """A score of fewer than ``minimum`` answers is held back."""
    before = days_before(query.window, query.last_day)
    spans = [query.days, before] if before else [query.days]
    selection = await selection_of(connection, query)
    sums = [NOTHING] * len(spans) if selection is None else await sums_of(connection, selection, spans)
    return window_score(sums[0], before=sums[1] if before else None, minimum=minimum)


async def last_change(connection: AsyncConnection) -> int:
    """The number of the latest published change: updates after it are newer than scores read now."""
    return await scores.last_change(connection)
