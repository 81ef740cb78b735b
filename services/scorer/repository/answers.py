"""The table ``answers``: one row per answer at its highest revision, and counts of combined segments."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.answers import AnswerRow, ReplacedAnswer, WrittenAnswers
from services.scorer.domain.scores import Sums
from services.scorer.domain.windows import Days
from services.scorer.repository.arrays import array, array_of_arrays
from services.scorer.repository.sums import counts_of, daily_of, daily_over, span_arguments, sums_over, values_of
from shared.nps import Counts

# One statement writes the batch, rejects stale revisions, and returns the previous rows (PostgreSQL 18's RETURNING
# old). In the usual case, all new, it returns a single row: returning thousands of unused rows would cost as much as
# writing them.
_WRITE = text(
    """
    WITH written AS (
        INSERT INTO answers AS answer (key, revision, campaign_id, day, score, surveyed, segment_ids)
        SELECT key, revision, campaign_id, day, score, surveyed, CAST(segment_ids AS integer[])
        FROM unnest(
            CAST(CAST(:keys AS text) AS uuid[]),
            CAST(CAST(:revisions AS text) AS integer[]),
            CAST(CAST(:campaign_ids AS text) AS integer[]),
            CAST(CAST(:days AS text) AS date[]),
            CAST(CAST(:scores AS text) AS smallint[]),
            CAST(CAST(:surveyed AS text) AS boolean[]),
            CAST(CAST(:segment_ids AS text) AS text[])
        ) AS given (key, revision, campaign_id, day, score, surveyed, segment_ids)
        ON CONFLICT (key) DO UPDATE SET
            revision = excluded.revision,
            campaign_id = excluded.campaign_id,
            day = excluded.day,
            score = excluded.score,
            surveyed = excluded.surveyed,
            segment_ids = excluded.segment_ids
        WHERE excluded.revision > answer.revision
           OR (excluded.revision = answer.revision AND excluded.score IS NULL AND answer.score IS NOT NULL)
        RETURNING
            new.key AS key, old.revision IS NOT NULL AS replaced, old.campaign_id AS campaign_id, old.day AS day,
            old.score AS score, old.surveyed AS surveyed, old.segment_ids AS segment_ids
    )
    SELECT count(*) AS written,
           CASE WHEN count(*) < CAST(:given AS bigint) THEN array_agg(key) END AS keys,
           NULL AS key, NULL AS campaign_id, NULL AS day, NULL AS score, NULL AS surveyed, NULL AS segment_ids
    FROM written
    UNION ALL
    SELECT NULL, NULL, key, campaign_id, day, score, surveyed, segment_ids
    FROM written
    WHERE replaced
    """
)
_COUNTED = """
    SELECT day, CAST(score >= 9 AS integer) AS promoters,
           CAST(score IN (7, 8) AS integer) AS passives, CAST(score <= 6 AS integer) AS detractors,
           CAST(surveyed AS integer) AS surveyed, CAST(NULL AS integer) AS delivered
    FROM answers
    WHERE segment_ids @> CAST(:segment_ids AS integer[])
      AND (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
      AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
"""
_SUMS = sums_over(_COUNTED)
_DAILY = daily_over(_COUNTED)
_VALUES = text(
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


async def write(connection: AsyncConnection, rows: Sequence[AnswerRow]) -> WrittenAnswers:
    """Stores ``rows``: at least one, ascending by key, without duplicates."""
    keys, revisions, campaign_ids, days, scores, surveyed, segment_ids = zip(*rows, strict=True)
    columns = {
        "keys": array(keys),
        "revisions": array(revisions),
        "campaign_ids": array(campaign_ids),
        "days": array(days),
        "scores": array(scores),
        "surveyed": array(surveyed),
        "segment_ids": array_of_arrays(segment_ids),
    }
    written, *replaced = (await connection.execute(_WRITE, {**columns, "given": len(rows)})).all()
    return WrittenAnswers(
        None if written.written == len(rows) else frozenset(map(str, written.keys or ())),
        [
            ReplacedAnswer(
                key=str(row.key),
                campaign_id=row.campaign_id,
                day=row.day,
                score=row.score,
                surveyed=row.surveyed,
                segment_ids=row.segment_ids,
            )
            for row in replaced
        ],
    )


async def sums(
    connection: AsyncConnection, spans: Sequence[Days], *, segment_ids: Sequence[int], campaign_id: int | None
) -> list[Sums]:
    """What answers in all of the segments, of one campaign or any (None), add up to on each of ``spans``."""
    values = {"segment_ids": list(segment_ids), "campaign_id": campaign_id, **span_arguments(spans)}
    rows = await connection.execute(_SUMS, values)
    return [Sums(counts_of(row), surveyed=int(row.surveyed), delivered=None) for row in rows]


async def daily(
    connection: AsyncConnection, span: Days, *, segment_ids: Sequence[int], campaign_id: int | None
) -> dict[date, Counts]:
    """The same, of each day that had answers."""
    values = {
        "segment_ids": list(segment_ids),
        "campaign_id": campaign_id,
        "earliest": span.after,
        "latest": span.end,
    }
    return daily_of(await connection.execute(_DAILY, values))


async def values_within(
    connection: AsyncConnection,
    span: Days,
    *,
    dimension: str,
    segment_ids: Sequence[int],
    campaign_id: int | None,
    limit: int,
) -> list[tuple[str, Counts]]:
    """The values of a dimension among answers in all of the segments, those with the most answers first."""
    values = {
        "dimension": dimension,
        "segment_ids": list(segment_ids),
        "campaign_id": campaign_id,
        "earliest": span.after,
        "latest": span.end,
        "limit": limit,
    }
    return values_of(await connection.execute(_VALUES, values))
