"""The table ``answers``: one row per answer at its highest revision, and counts of combined segments."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.answers import AnswerRow, ReplacedAnswer, WrittenAnswers
from services.scorer.domain.comparisons import Values, ValuesPage
from services.scorer.domain.scores import Sums
from services.scorer.domain.windows import Days
from services.scorer.repository.arrays import ArrayColumns
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
from shared.nps import SCORES_OF_GROUP, Group
from shared.persistence.statement import Statement

_COLUMNS = ArrayColumns(
    key="uuid",
    revision="integer",
    campaign_id="integer",
    day="date",
    score="smallint",
    segment_ids="integer[]",
    erased_group="text",
)


def _group_of(score: str) -> str:
    """The group of the score in a column."""
    groups = " ".join(
        f"WHEN {score} BETWEEN {of[0]} AND {of[-1]} THEN '{group}'" for group, of in SCORES_OF_GROUP.items()
    )
    return f"CASE {groups} END"


# One statement writes the batch, rejects stale revisions, and returns the previous rows (PostgreSQL 18's RETURNING
# old). In the usual case, all new, it returns a single row: returning thousands of unused rows would cost as much as
# writing them. WHERE is the rule of ``supersedes`` in contracts/answers.py; an erased answer has no score. An erasure
# that does not say what it counts as has no day either, and keeps what the answer counted as. If nothing was known of
# the answer then, a revision that comes later still says it, but brings nothing else back. The rows are arrays in
# PostgreSQL's text format instead of ``Columns.given``: see ``arrays``. They are written in the order of their keys, so
# that processes that write the same ones may wait, but never deadlock.
_WRITE = Statement(
    f"""
    WITH written AS (
        INSERT INTO answers AS answer ({_COLUMNS.names})
        SELECT {_COLUMNS.values}
        FROM {_COLUMNS.given}
        ORDER BY key
        ON CONFLICT (key) DO UPDATE SET
            revision = greatest(answer.revision, excluded.revision),
            campaign_id = COALESCE(excluded.campaign_id, answer.campaign_id),
            day = COALESCE(excluded.day, answer.day),
            segment_ids = COALESCE(excluded.segment_ids, answer.segment_ids),
            score = CASE WHEN excluded.revision > answer.revision THEN excluded.score END,
            erased_group = CASE
                WHEN excluded.day IS NULL THEN COALESCE(answer.erased_group, {_group_of("answer.score")})
                WHEN excluded.revision <= answer.revision AND excluded.score IS NOT NULL
                THEN {_group_of("excluded.score")}
                ELSE excluded.erased_group
            END
        WHERE excluded.revision > answer.revision
           OR (excluded.revision = answer.revision AND excluded.score IS NULL AND answer.score IS NOT NULL)
           OR (answer.day IS NULL AND excluded.day IS NOT NULL)
        RETURNING
            new.key AS key, old.revision IS NOT NULL AS replaced, old.campaign_id AS campaign_id, old.day AS day,
            old.score AS score, old.segment_ids AS segment_ids, old.erased_group AS erased_group,
            new.score IS NULL AS erased_now
    )
    SELECT count(*) AS written,
           CASE WHEN count(*) < CAST(:given AS bigint) THEN array_agg(key) END AS written_keys,
           NULL AS key, NULL AS campaign_id, NULL AS day, NULL AS score, NULL AS segment_ids, NULL AS erased_group,
           NULL AS erased_now
    FROM written
    UNION ALL
    SELECT NULL, NULL, key, campaign_id, day, score, segment_ids, erased_group, erased_now
    FROM written
    WHERE replaced
    """  # noqa: S608  # composed of column names, never values
)


class AnswerColumns(NamedTuple):
    """``rows`` is their number."""

    rows: int
    literals: Mapping[str, str]


def _in_group(group: Group) -> str:
    """1 if an answer is of the group, else 0."""
    scores = SCORES_OF_GROUP[group]
    return f"CAST(COALESCE(score BETWEEN {scores[0]} AND {scores[-1]}, erased_group = '{group}') AS integer)"


_COUNTED = f"""
    SELECT day, segment_ids, {_in_group("promoter")} AS promoters, {_in_group("passive")} AS passives,
           {_in_group("detractor")} AS detractors, CAST(NULL AS integer) AS delivered, 0 AS answered
    FROM answers
    WHERE segment_ids @> CAST(:segment_ids AS integer[])
      AND (CAST(:campaign_id AS integer) IS NULL OR campaign_id = :campaign_id)
      AND day > CAST(:earliest AS date) AND day <= CAST(:latest AS date)
"""  # noqa: S608  # the numbers of the groups
_SUMS = sums_over(_COUNTED)
_DAILY = daily_over(_COUNTED)
_VALUES = values_over(
    f"""
    SELECT segments.value, sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors
    FROM ({_COUNTED}) AS counted
    CROSS JOIN LATERAL unnest(counted.segment_ids) AS carried (id)
    JOIN segments ON segments.id = carried.id
    WHERE segments.dimension = :dimension
    GROUP BY segments.value
    """  # noqa: S608  # the source above
)


def columns_of(rows: Sequence[AnswerRow]) -> AnswerColumns:
    """Rows as ``write`` takes them: at least one, without duplicates."""
    return AnswerColumns(len(rows), _COLUMNS.parameters(rows))


async def write(connection: AsyncConnection, columns: AnswerColumns) -> WrittenAnswers:
    """Stores the rows."""
    written, *replaced = await _WRITE.rows(connection, {**columns.literals, "given": columns.rows})
    return WrittenAnswers(
        None if written.written == columns.rows else frozenset(map(str, written.written_keys or ())),
        [
            ReplacedAnswer(
                key=str(row.key),
                campaign_id=row.campaign_id,
                day=row.day,
                score=row.score,
                segment_ids=row.segment_ids,
                erased_group=row.erased_group,
                erased_now=row.erased_now,
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
    return [Sums(counts_of(row), delivered=None, answered=0) for row in rows]


async def daily(
    connection: AsyncConnection, span: Days, *, segment_ids: Sequence[int], campaign_id: int | None
) -> dict[date, Sums]:
    """The same, of each day."""
    values = {
        "segment_ids": list(segment_ids),
        "campaign_id": campaign_id,
        "earliest": span.after,
        "latest": span.end,
    }
    return sums_by_day(await connection.execute(_DAILY, values))


async def values_within(
    connection: AsyncConnection,
    span: Days,
    page: ValuesPage,
    *,
    dimension: str,
    segment_ids: Sequence[int],
    campaign_id: int | None,
) -> Values:
    """A page of the values of a dimension among answers in all of the segments."""
    values = {
        "dimension": dimension,
        "segment_ids": list(segment_ids),
        "campaign_id": campaign_id,
        "earliest": span.after,
        "latest": span.end,
        **page_arguments(page),
    }
    return values_of(await connection.execute(_VALUES, values))
