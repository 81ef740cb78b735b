"""Sums over days: of one segment from the day counts, of several at once (and) from the answers themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.segments import Segment
from services.scorer.domain.windows import Days
from shared.nps import Counts


@dataclass(frozen=True, slots=True)
class Sums:
    """``surveyed`` of the answers were given to a survey; ``delivered`` surveys were sent on these days, or None
    where that is not known."""

    counts: Counts
    surveyed: int
    delivered: int | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Answers in all of these segments, of one campaign or of any (None)."""

    segment_ids: tuple[int, ...]
    campaign_id: int | None


_COUNTED = """
    SELECT day, promoters, passives, detractors, surveyed, delivered
    FROM day_counts
    WHERE segment_id = (CAST(:segment_ids AS integer[]))[1]
      AND (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
      AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
"""
_ANSWERED = """
    SELECT day, CAST(score >= 9 AS integer) AS promoters,
           CAST(score IN (7, 8) AS integer) AS passives, CAST(score <= 6 AS integer) AS detractors,
           CAST(surveyed AS integer) AS surveyed, CAST(NULL AS integer) AS delivered
    FROM answers
    WHERE segment_ids @> CAST(:segment_ids AS integer[])
      AND (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
      AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
"""
_SUMS = """
    SELECT COALESCE(sum(promoters), 0) AS promoters, COALESCE(sum(passives), 0) AS passives,
           COALESCE(sum(detractors), 0) AS detractors, COALESCE(sum(surveyed), 0) AS surveyed,
           sum(delivered) AS delivered
"""
_WINDOWS = """
    FROM unnest(CAST(:after AS date[]), CAST(:end AS date[])) WITH ORDINALITY AS span (after, end_day, position)
    LEFT JOIN (SELECT day, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors,
                      sum(surveyed) AS surveyed, sum(delivered) AS delivered
               FROM ({source}) AS counted GROUP BY day) AS daily
           ON daily.day > span.after AND daily.day <= span.end_day
    GROUP BY span.position
    ORDER BY span.position
"""
_DAILY = """
    SELECT day, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors
    FROM ({source}) AS counted
    GROUP BY day
    HAVING sum(promoters) + sum(passives) + sum(detractors) > 0
"""
_SUMS_OF_SEGMENT = text(_SUMS + _WINDOWS.format(source=_COUNTED))
_SUMS_OF_SEVERAL = text(_SUMS + _WINDOWS.format(source=_ANSWERED))
_DAYS_OF_SEGMENT = text(_DAILY.format(source=_COUNTED))
_DAYS_OF_SEVERAL = text(_DAILY.format(source=_ANSWERED))

_VALUES_OF_DIMENSION = text(
    """
    SELECT segments.value, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors
    FROM segments
    JOIN day_counts ON day_counts.segment_id = segments.id
    WHERE segments.dimension = :dimension
      AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
      AND (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
    GROUP BY segments.value
    HAVING sum(promoters) + sum(passives) + sum(detractors) > 0
    ORDER BY sum(promoters) + sum(passives) + sum(detractors) DESC, segments.value
    LIMIT :limit
    """
)
_VALUES_WITHIN = text(
    """
    SELECT segments.value, count(*) FILTER (WHERE score >= 9) AS promoters,
           count(*) FILTER (WHERE score IN (7, 8)) AS passives, count(*) FILTER (WHERE score <= 6) AS detractors
    FROM answers
    CROSS JOIN LATERAL unnest(answers.segment_ids) AS carried (id)
    JOIN segments ON segments.id = carried.id
    WHERE segments.dimension = :dimension
      AND answers.segment_ids @> CAST(:segment_ids AS integer[])
      AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
      AND (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
    GROUP BY segments.value
    ORDER BY count(*) DESC, segments.value
    LIMIT :limit
    """
)
_SEGMENTS = text(
    """
    SELECT dimension, value
    FROM segments
    WHERE id <> 0
      AND (CAST(:dimension AS text) IS NULL OR dimension = :dimension)
      AND (dimension, value) > (CAST(:after_dimension AS text), CAST(:after_value AS text))
    ORDER BY dimension, value
    LIMIT :limit
    """
)
_DIMENSIONS = text(
    """
    WITH RECURSIVE dimensions AS (
        SELECT min(dimension) AS dimension FROM segments WHERE dimension > ''
        UNION ALL
        SELECT (SELECT min(dimension) FROM segments WHERE segments.dimension > dimensions.dimension)
        FROM dimensions WHERE dimensions.dimension IS NOT NULL
    )
    SELECT dimension FROM dimensions WHERE dimension IS NOT NULL LIMIT :limit
    """
)
_CAMPAIGNS = text("SELECT name FROM campaigns WHERE id <> 0 ORDER BY name LIMIT :limit")


def _pick(selection: Selection, of_segment: TextClause, of_several: TextClause) -> TextClause:
    return of_segment if len(selection.segment_ids) == 1 else of_several


async def sums(connection: AsyncConnection, selection: Selection, spans: Sequence[Days]) -> list[Sums]:
    """What was counted on each of ``spans``, in their order."""
    rows = await connection.execute(
        _pick(selection, _SUMS_OF_SEGMENT, _SUMS_OF_SEVERAL),
        {
            "segment_ids": list(selection.segment_ids),
            "campaign_id": selection.campaign_id,
            "after": [span.after for span in spans],
            "end": [span.end for span in spans],
            "earliest": min(span.after for span in spans),
            "latest": max(span.end for span in spans),
        },
    )
    return [
        Sums(
            Counts(int(row.promoters), int(row.passives), int(row.detractors)),
            int(row.surveyed),
            None if len(selection.segment_ids) > 1 else int(row.delivered or 0),
        )
        for row in rows
    ]


async def daily(connection: AsyncConnection, selection: Selection, span: Days) -> dict[date, Counts]:
    """The counts of each day that had answers."""
    rows = await connection.execute(
        _pick(selection, _DAYS_OF_SEGMENT, _DAYS_OF_SEVERAL),
        {
            "segment_ids": list(selection.segment_ids),
            "campaign_id": selection.campaign_id,
            "earliest": span.after,
            "latest": span.end,
        },
    )
    return {row.day: Counts(int(row.promoters), int(row.passives), int(row.detractors)) for row in rows}


async def values_of(
    connection: AsyncConnection, dimension: str, within: Selection, span: Days, limit: int
) -> list[tuple[str, Counts]]:
    """The values of a dimension with their counts, those with most answers first."""
    values = {
        "dimension": dimension,
        "campaign_id": within.campaign_id,
        "earliest": span.after,
        "latest": span.end,
        "limit": limit,
    }
    if within.segment_ids == (0,):
        rows = await connection.execute(_VALUES_OF_DIMENSION, values)
    else:
        rows = await connection.execute(_VALUES_WITHIN, {**values, "segment_ids": list(within.segment_ids)})
    return [(row.value, Counts(int(row.promoters), int(row.passives), int(row.detractors))) for row in rows]


async def segments_after(
    connection: AsyncConnection, after: Segment, dimension: str | None, limit: int
) -> list[Segment]:
    """Known segments in the order of dimension and value, those after ``after``."""
    rows = await connection.execute(
        _SEGMENTS,
        {"after_dimension": after[0], "after_value": after[1], "dimension": dimension, "limit": limit},
    )
    return [(row.dimension, row.value) for row in rows]


async def dimensions(connection: AsyncConnection, limit: int = 50) -> list[str]:
    return list((await connection.execute(_DIMENSIONS, {"limit": limit})).scalars())


async def campaigns(connection: AsyncConnection, limit: int = 50) -> list[str]:
    return list((await connection.execute(_CAMPAIGNS, {"limit": limit})).scalars())
