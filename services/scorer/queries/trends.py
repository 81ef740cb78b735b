"""A window's score over time, and at its end."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.scores import Sums, WindowScore, sums_on, window_score
from services.scorer.domain.trends import STEP_DAYS, Step, TrendPoint, trend_of
from services.scorer.domain.windows import Days, days_before, ends_of, window_days
from services.scorer.queries.selections import Selection, daily_of, selection_of


@dataclass(frozen=True, slots=True)
class ScoreAndTrend:
    """``trend`` as ``trend`` returns it; ``current`` is the score of the window."""

    current: WindowScore
    trend: list[TrendPoint]


async def trend(
    connection: AsyncConnection, query: ScoreQuery, *, step: Step, points: int, minimum: int
) -> list[TrendPoint]:
    """The window's score at the end of each of the last ``points`` days or weeks, oldest first."""
    selection = await selection_of(connection, query)
    return (await score_and_trend(connection, selection, query, step=step, points=points, minimum=minimum)).trend


async def score_and_trend(
    connection: AsyncConnection,
    selection: Selection | None,
    query: ScoreQuery,
    *,
    step: Step,
    points: int,
    minimum: int,
) -> ScoreAndTrend:
    """Both from one reading of the days. ``selection`` is the query's."""
    ends = ends_of(query.last_day, step_days=STEP_DAYS[step], points=points)
    before = days_before(query.window, query.last_day)
    earliest = window_days(query.window, ends[0]).after
    daily: dict[date, Sums] = {}
    if selection is not None:
        span = Days(after=min(earliest, before.after) if before else earliest, end=query.last_day)
        daily = await daily_of(connection, selection, span)
    return ScoreAndTrend(
        window_score(sums_on(daily, query.days), before=sums_on(daily, before) if before else None, minimum=minimum),
        trend_of({day: sums.counts for day, sums in daily.items()}, query.window, ends, minimum=minimum),
    )
