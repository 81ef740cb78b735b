"""The table ``day_counts``: the counts of every segment, campaign and day.

What is not folded into it yet is read with it, so that every query is exact at every commit.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.comparisons import Values, ValuesPage
from services.scorer.domain.publication import ALL_CAMPAIGNS
from services.scorer.domain.scores import Sums
from services.scorer.domain.windows import Days, window_days
from services.scorer.repository import publisher
from services.scorer.repository.day_changes import unfolded
from services.scorer.repository.sums import (
    counts_of,
    daily_over,
    page_arguments,
    span_arguments,
    sums_by_day,
    sums_over,
    values_of,
    values_over,
)
from shared.contracts.scores import WINDOWS

_DAYS = """
    (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
    AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
"""


def _all(columns: str, *, where: str) -> str:
    """A SELECT of ``columns`` of the day counts and of what is not folded into them yet."""
    return f"SELECT {columns} FROM day_counts WHERE {where} UNION ALL {unfolded(columns, where=where)}"  # noqa: S608  # composed of constants of this folder


_COUNTED = _all(
    "day, promoters, passives, detractors, delivered, answered", where=f"segment_id = :segment_id AND {_DAYS}"
)
_SUMS = sums_over(_COUNTED)
_DAILY = daily_over(_COUNTED)


def _values(counted: str) -> TextClause:
    """Of a SELECT of ``segment_id, promoters, passives, detractors``."""
    return values_over(
        f"""
        SELECT segments.value, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors
        FROM segments
        JOIN ({counted}) AS counted ON counted.segment_id = segments.id
        WHERE segments.dimension = :dimension
        GROUP BY segments.value
        """  # noqa: S608  # composed of constants of this folder
    )


_VALUES = _values(_all("segment_id, promoters, passives, detractors", where=_DAYS))
# The same from one row of each value instead of one a day: of a year of 10,000 values, a hundredth.
_VALUES_OF_WINDOW = {
    window: _values(
        f"""
        SELECT segment_id, promoters_{window} AS promoters, passives_{window} AS passives,
               detractors_{window} AS detractors
        FROM window_sums
        WHERE campaign_id = COALESCE(CAST(:campaign_id AS integer), {ALL_CAMPAIGNS})
        UNION ALL
        {unfolded("segment_id, promoters, passives, detractors", where=_DAYS)}
        """  # noqa: S608  # composed of constants of this folder
    )
    for window in WINDOWS
}


async def sums(
    connection: AsyncConnection, spans: Sequence[Days], *, segment_id: int, campaign_id: int | None
) -> list[Sums]:
    """What one segment, of one campaign or any (None), adds up to on each of ``spans``, in their order."""
    values = {"segment_id": segment_id, "campaign_id": campaign_id, **span_arguments(spans)}
    rows = await connection.execute(_SUMS, values)
    return [Sums(counts_of(row), delivered=int(row.delivered or 0), answered=int(row.answered)) for row in rows]


async def daily(
    connection: AsyncConnection, span: Days, *, segment_id: int, campaign_id: int | None
) -> dict[date, Sums]:
    """What was counted on each day."""
    values = {"segment_id": segment_id, "campaign_id": campaign_id, "earliest": span.after, "latest": span.end}
    return sums_by_day(await connection.execute(_DAILY, values))


async def values_of_dimension(
    connection: AsyncConnection, span: Days, page: ValuesPage, *, dimension: str, campaign_id: int | None
) -> Values:
    """A page of the values of a dimension with their counts."""
    values = {
        "dimension": dimension,
        "campaign_id": campaign_id,
        "earliest": span.after,
        "latest": span.end,
        **page_arguments(page),
    }
    statement = _VALUES
    window = next((window for window in WINDOWS if window_days(window, span.end) == span), None)
    if window is not None and await publisher.sums_are_of(connection, span.end):
        statement = _VALUES_OF_WINDOW[window]
    return values_of(await connection.execute(statement, values))
