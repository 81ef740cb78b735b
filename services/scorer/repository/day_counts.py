"""Writing answers and surveys at their newest state, and adding what changed to the counts of the days."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.tally import DayChange


# Columns travel as arrays in PostgreSQL's own text form, not as lists: the driver would look at every element of a list
# several times, which took longer than all else done for an answer here.
def column(values: Iterable[str]) -> str:
    """An array of values that need no quotes: numbers, dates, UUIDs, true, false, NULL."""
    return "{" + ",".join(values) + "}"


def column_of_arrays(arrays: Iterable[str]) -> str:
    """An array of texts such as ``{0,4,7}`` or NULL."""
    return "{" + ",".join([array if array == "NULL" else f'"{array}"' for array in arrays]) + "}"


# One statement writes the batch, refuses what is not newer, and tells what the rows held before (PostgreSQL 18's
# RETURNING old). In the usual case, all new, it answers with a single row: thousands of rows nobody reads would cost
# as much here as writing them.
_WRITE_ANSWERS = text(
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


@dataclass(frozen=True, slots=True)
class Replaced:
    """What an answer was until now; everything but ``key`` is None where it had been erased."""

    key: str
    campaign_id: int | None
    day: date | None
    score: int | None
    surveyed: bool | None
    segment_ids: Sequence[int] | None


@dataclass(frozen=True, slots=True)
class Written:
    """``keys`` are those that were written, or None when all were."""

    keys: frozenset[str] | None
    replaced: Sequence[Replaced]


async def write_answers(connection: AsyncConnection, count: int, columns: Mapping[str, str]) -> Written:
    """``columns`` are those of ``answers`` for ``count`` of them, ascending by key, each key once."""
    rows = (await connection.execute(_WRITE_ANSWERS, {**columns, "given": count})).all()
    written = rows[0]
    return Written(
        None if written.written == count else frozenset(map(str, written.keys or ())),
        [
            Replaced(str(row.key), row.campaign_id, row.day, row.score, row.surveyed, row.segment_ids)
            for row in rows[1:]
        ],
    )


# The rows whose three facts have just become complete, or are no longer so, come back with +1 or −1.
_WRITE_SURVEYS = text(
    """
    WITH written AS (
        INSERT INTO surveys AS survey (key, known_on, campaign_id, sent_on, accepted, failed, segment_ids)
        SELECT key, known_on, campaign_id, sent_on, accepted, failed, CAST(segment_ids AS integer[])
        FROM unnest(
            CAST(:keys AS uuid[]), CAST(:known_on AS date[]), CAST(:campaign_ids AS integer[]),
            CAST(:sent_on AS date[]), CAST(:accepted AS boolean[]), CAST(:failed AS boolean[]),
            CAST(:segment_ids AS text[])
        ) AS given (key, known_on, campaign_id, sent_on, accepted, failed, segment_ids)
        ON CONFLICT (key) DO UPDATE SET
            campaign_id = COALESCE(survey.campaign_id, excluded.campaign_id),
            sent_on = COALESCE(survey.sent_on, excluded.sent_on),
            accepted = survey.accepted OR excluded.accepted,
            failed = survey.failed OR excluded.failed,
            segment_ids = COALESCE(survey.segment_ids, excluded.segment_ids)
        WHERE (survey.sent_on IS NULL AND excluded.sent_on IS NOT NULL)
           OR (excluded.accepted AND NOT survey.accepted)
           OR (excluded.failed AND NOT survey.failed)
        RETURNING
            new.campaign_id AS campaign_id, new.sent_on AS sent_on, new.segment_ids AS segment_ids,
            CAST(new.sent_on IS NOT NULL AND new.accepted AND NOT new.failed AS integer)
            - CAST(COALESCE(old.sent_on IS NOT NULL AND old.accepted AND NOT old.failed, false) AS integer) AS delivered
    )
    SELECT campaign_id, sent_on, segment_ids, delivered FROM written WHERE delivered <> 0
    """
)


@dataclass(frozen=True, slots=True)
class DeliveredChange:
    """``delivered`` is 1 or −1."""

    campaign_id: int
    sent_on: date
    segment_ids: Sequence[int]
    delivered: int


async def write_surveys(connection: AsyncConnection, columns: Mapping[str, Sequence[Any]]) -> list[DeliveredChange]:
    """Adds facts about surveys, ascending by key, each key once; facts that are known already change nothing."""
    rows = await connection.execute(_WRITE_SURVEYS, columns)
    return [DeliveredChange(row.campaign_id, row.sent_on, row.segment_ids, row.delivered) for row in rows]


_ADD_TO_DAYS = text(
    """
    INSERT INTO day_counts AS counted
        (segment_id, campaign_id, day, promoters, passives, detractors, surveyed, delivered, changed)
    SELECT segment_id, campaign_id, day, promoters, passives, detractors, surveyed, delivered, true
    FROM unnest(
        CAST(:segment_ids AS integer[]), CAST(:campaign_ids AS integer[]), CAST(:days AS date[]),
        CAST(:promoters AS integer[]), CAST(:passives AS integer[]), CAST(:detractors AS integer[]),
        CAST(:surveyed AS integer[]), CAST(:delivered AS integer[])
    ) AS given (segment_id, campaign_id, day, promoters, passives, detractors, surveyed, delivered)
    ON CONFLICT (segment_id, campaign_id, day) DO UPDATE SET
        promoters = counted.promoters + excluded.promoters,
        passives = counted.passives + excluded.passives,
        detractors = counted.detractors + excluded.detractors,
        surveyed = counted.surveyed + excluded.surveyed,
        delivered = counted.delivered + excluded.delivered,
        changed = true
    """
)


async def add_to_days(connection: AsyncConnection, changes: Sequence[DayChange]) -> None:
    """``changes`` ascend by segment, campaign and day: two processes then wait for each other and never in a ring."""
    if changes:
        await connection.execute(
            _ADD_TO_DAYS,
            {
                "segment_ids": [change.segment_id for change in changes],
                "campaign_ids": [change.campaign_id for change in changes],
                "days": [change.day for change in changes],
                "promoters": [change.promoters for change in changes],
                "passives": [change.passives for change in changes],
                "detractors": [change.detractors for change in changes],
                "surveyed": [change.surveyed for change in changes],
                "delivered": [change.delivered for change in changes],
            },
        )


_FORGET_SURVEYS = text("DELETE FROM surveys WHERE known_on < :day")


async def forget_surveys(connection: AsyncConnection, before: date) -> None:
    """Drops what is only kept to match deliveries with sends, once neither can come any more. Counts stay."""
    await connection.execute(_FORGET_SURVEYS, {"day": before})
