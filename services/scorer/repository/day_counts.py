"""The table ``day_counts``: the counts of every segment, campaign and day, and which are to be published."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.comparisons import Values, ValuesPage
from services.scorer.domain.publication import SumsBySpan, SumsKey
from services.scorer.domain.scores import Sums
from services.scorer.domain.tally import DayChange
from services.scorer.domain.windows import Days
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
from shared.persistence.columns import Columns

_COLUMNS = Columns(
    segment_id="integer",
    campaign_id="integer",
    day="date",
    promoters="integer",
    passives="integer",
    detractors="integer",
    delivered="integer",
    answered="integer",
)
_ADD = text(
    f"""
    INSERT INTO day_counts AS counted ({_COLUMNS.names}, changed)
    SELECT {_COLUMNS.values}, true
    FROM {_COLUMNS.given}
    ON CONFLICT (segment_id, campaign_id, day) DO UPDATE SET
        promoters = counted.promoters + excluded.promoters,
        passives = counted.passives + excluded.passives,
        detractors = counted.detractors + excluded.detractors,
        delivered = counted.delivered + excluded.delivered,
        answered = counted.answered + excluded.answered,
        changed = true
    """  # noqa: S608  # composed of column names, never values
)
# Rows locked by a batch are marked by that batch anyway; skipping them means this never waits.
_MARK = text(
    """
    WITH moved AS (
        SELECT segment_id, campaign_id, day
        FROM day_counts
        JOIN unnest(CAST(:after AS date[]), CAST(:end AS date[])) AS span (after, end_day)
          ON day > span.after AND day <= span.end_day
        WHERE NOT changed
        FOR UPDATE OF day_counts SKIP LOCKED
    )
    UPDATE day_counts SET changed = true
    FROM moved
    WHERE day_counts.segment_id = moved.segment_id
      AND day_counts.campaign_id = moved.campaign_id
      AND day_counts.day = moved.day
    """
)
# A row locked by a batch in progress stays marked and is taken in the next round.
_CHANGED = text(
    """
    SELECT DISTINCT segment_id FROM day_counts
    WHERE changed AND segment_id > :after
    ORDER BY segment_id
    LIMIT :limit
    """
)
_TAKE_CHANGED = text(
    """
    WITH chosen AS (
        SELECT DISTINCT segment_id FROM day_counts
        WHERE changed AND segment_id > :after
        ORDER BY segment_id
        LIMIT :limit
    ), taken AS (
        SELECT segment_id, campaign_id, day
        FROM day_counts
        WHERE changed AND segment_id IN (SELECT segment_id FROM chosen)
        FOR UPDATE SKIP LOCKED
    ), cleared AS (
        UPDATE day_counts SET changed = false
        FROM taken
        WHERE day_counts.segment_id = taken.segment_id
          AND day_counts.campaign_id = taken.campaign_id
          AND day_counts.day = taken.day
    )
    SELECT DISTINCT segment_id FROM chosen ORDER BY segment_id
    """
)
_SUMS_OF_SEGMENTS = text(
    """
    SELECT segment_id, campaign_id, span.position - 1 AS position,
           sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors,
           sum(delivered) AS delivered, sum(answered) AS answered
    FROM day_counts
    JOIN unnest(CAST(:after AS date[]), CAST(:end AS date[])) WITH ORDINALITY AS span (after, end_day, position)
      ON day > span.after AND day <= span.end_day
    WHERE segment_id = ANY(CAST(:segment_ids AS integer[]))
    GROUP BY segment_id, campaign_id, span.position
    """
)
_COUNTED = """
    SELECT day, promoters, passives, detractors, delivered, answered
    FROM day_counts
    WHERE segment_id = :segment_id
      AND (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
      AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
"""
_SUMS = sums_over(_COUNTED)
_DAILY = daily_over(_COUNTED)
_VALUES = values_over(
    """
    SELECT segments.value, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors
    FROM segments
    JOIN day_counts ON day_counts.segment_id = segments.id
    WHERE segments.dimension = :dimension
      AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
      AND (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
    GROUP BY segments.value
    """
)


async def add(connection: AsyncConnection, changes: Sequence[DayChange]) -> None:
    """``changes`` are ascending by segment, campaign and day, so that processes may wait but never deadlock."""
    if changes:
        await connection.execute(_ADD, _COLUMNS.attributes(changes))


async def mark(connection: AsyncConnection, spans: Sequence[Days]) -> None:
    """Marks the counts of these days as changed, so that every score they are part of is checked."""
    await connection.execute(_MARK, {"after": [span.after for span in spans], "end": [span.end for span in spans]})


async def changed(connection: AsyncConnection, *, after: int, limit: int) -> list[int]:
    """The next segments after ``after`` whose counts changed, ascending."""
    return list((await connection.execute(_CHANGED, {"after": after, "limit": limit})).scalars())


async def take_changed(connection: AsyncConnection, *, after: int, limit: int) -> list[int]:
    """Returns the next segments after ``after`` whose counts changed, ascending, and clears their marks."""
    return list((await connection.execute(_TAKE_CHANGED, {"after": after, "limit": limit})).scalars())


async def sums_of_segments(
    connection: AsyncConnection, segment_ids: Sequence[int], spans: Sequence[Days]
) -> dict[SumsKey, SumsBySpan]:
    """For each segment and campaign, the sums over each span, by its position; empty spans are omitted."""
    rows = await connection.execute(
        _SUMS_OF_SEGMENTS,
        {
            "segment_ids": list(segment_ids),
            "after": [span.after for span in spans],
            "end": [span.end for span in spans],
        },
    )
    found: dict[SumsKey, SumsBySpan] = {}
    for row in rows:
        by_span = found.setdefault(SumsKey(segment_id=row.segment_id, campaign_id=row.campaign_id), {})
        by_span[row.position] = Sums(counts_of(row), delivered=int(row.delivered), answered=int(row.answered))
    return found


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
    return values_of(await connection.execute(_VALUES, values))
