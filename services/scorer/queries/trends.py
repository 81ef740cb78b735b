"""A window's score over time."""

from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.trends import STEP_DAYS, Step, TrendPoint, trend_of
from services.scorer.domain.windows import Days, ends_of, window_days
from services.scorer.queries.selections import daily_of, selection_of
from shared.nps import Counts


async def trend(
    connection: AsyncConnection, query: ScoreQuery, *, step: Step, points: int, minimum: int
) -> list[TrendPoint]:
    """The window's score at the end of each of the last ``points`` days or weeks, oldest first."""
    ends = ends_of(query.last_day, step_days=STEP_DAYS[step], points=points)
    selection = await selection_of(connection, query)
    daily: dict[date, Counts] = {}
    if selection is not None:
        daily = await daily_of(
            connection, selection, Days(after=window_days(query.window, ends[0]).after, end=ends[-1])
        )
    return trend_of(daily, query.window, ends, minimum=minimum)
