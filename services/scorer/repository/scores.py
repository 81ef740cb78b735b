"""What is due to be published, what was published last, and in which order it changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.windows import Days
from services.scorer.repository.reading import Sums
from shared.nps import Counts

ALL_CAMPAIGNS = -1

# Two publishers at once could overwrite a newer figure with an older one. Whoever has the turn keeps it until its
# transaction ends, in whatever way.
_TAKE_TURN = text("SELECT pg_try_advisory_xact_lock(hashtextextended('hearback.publish.' || current_schema(), 0))")
_LAST_DAY = text("SELECT last_day FROM publication")
_SET_LAST_DAY = text(
    "INSERT INTO publication (last_day) VALUES (:day) ON CONFLICT (only_one) DO UPDATE SET last_day = excluded.last_day"
)
# Rows a batch has locked are marked by that batch anyway; locking the others first, in key order, never waits.
_MARK_DAYS = text(
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
# A batch under way that has touched a row keeps it locked: the row stays marked and is taken the next time.
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
_SUMS = text(
    """
    SELECT segment_id, campaign_id, span.position - 1 AS position,
           sum(promoters) AS promoters, sum(passives) AS passives, sum(detractors) AS detractors,
           sum(surveyed) AS surveyed, sum(delivered) AS delivered
    FROM day_counts
    JOIN unnest(CAST(:after AS date[]), CAST(:end AS date[])) WITH ORDINALITY AS span (after, end_day, position)
      ON day > span.after AND day <= span.end_day
    WHERE segment_id = ANY(CAST(:segment_ids AS integer[]))
    GROUP BY segment_id, campaign_id, span.position
    """
)
_SEGMENT_NAMES = text("SELECT id, dimension, value FROM segments WHERE id = ANY(CAST(:ids AS integer[]))")
_CAMPAIGN_NAMES = text("SELECT id, name FROM campaigns WHERE id = ANY(CAST(:ids AS integer[]))")
_PUBLISHED = text(
    """
    SELECT segment_id, campaign_id, window_days, sequence, figures
    FROM scores WHERE segment_id = ANY(CAST(:segment_ids AS integer[]))
    """
)
_RECORD = text(
    """
    INSERT INTO scores (segment_id, campaign_id, window_days, sequence, figures, body)
    SELECT segment_id, campaign_id, window_days, sequence, CAST(figures AS bigint[]), body
    FROM unnest(
        CAST(:segment_ids AS integer[]), CAST(:campaign_ids AS integer[]), CAST(:window_days AS integer[]),
        CAST(:sequences AS integer[]), CAST(:figures AS text[]), CAST(:bodies AS text[])
    ) AS given (segment_id, campaign_id, window_days, sequence, figures, body)
    ORDER BY segment_id, campaign_id, window_days
    ON CONFLICT (segment_id, campaign_id, window_days) DO UPDATE SET
        sequence = excluded.sequence, figures = excluded.figures, body = excluded.body, change = DEFAULT
    """
)
_CHANGES = text("SELECT change, body FROM scores WHERE change > :after ORDER BY change LIMIT :limit")
_LAST_CHANGE = text("SELECT COALESCE(max(change), 0) FROM scores")

ScoreKey = tuple[int, int, int]
"""Segment, campaign (or ALL_CAMPAIGNS) and the window's days (0 is all time)."""
Figures = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Published:
    sequence: int
    figures: Figures
    body: str


async def take_turn(connection: AsyncConnection) -> bool:
    """Whether this process may publish, until its transaction ends."""
    return bool((await connection.execute(_TAKE_TURN)).scalar_one())


async def last_day(connection: AsyncConnection) -> date | None:
    """The last day that windows ended on when they were published; None before the first time."""
    day: date | None = (await connection.execute(_LAST_DAY)).scalar_one_or_none()
    return day


async def set_last_day(connection: AsyncConnection, day: date) -> None:
    await connection.execute(_SET_LAST_DAY, {"day": day})


async def mark_days(connection: AsyncConnection, spans: Sequence[Days]) -> None:
    """Makes every score due that counts these days."""
    await connection.execute(_MARK_DAYS, {"after": [span.after for span in spans], "end": [span.end for span in spans]})


async def take_changed(connection: AsyncConnection, after: int, limit: int) -> list[int]:
    """The next segments after ``after`` whose counts changed, no longer marked from now on."""
    return list((await connection.execute(_TAKE_CHANGED, {"after": after, "limit": limit})).scalars())


async def sums_of_segments(
    connection: AsyncConnection, segment_ids: Sequence[int], spans: Sequence[Days]
) -> dict[tuple[int, int], dict[int, Sums]]:
    """For each segment and campaign the sums over each span, by the span's position; empty spans are left out."""
    rows = await connection.execute(
        _SUMS,
        {
            "segment_ids": list(segment_ids),
            "after": [span.after for span in spans],
            "end": [span.end for span in spans],
        },
    )
    found: dict[tuple[int, int], dict[int, Sums]] = {}
    for row in rows:
        counts = Counts(int(row.promoters), int(row.passives), int(row.detractors))
        found.setdefault((row.segment_id, row.campaign_id), {})[row.position] = Sums(
            counts, int(row.surveyed), int(row.delivered)
        )
    return found


async def names_of(
    connection: AsyncConnection, segment_ids: Sequence[int], campaign_ids: Sequence[int]
) -> tuple[dict[int, tuple[str, str]], dict[int, str]]:
    segments = await connection.execute(_SEGMENT_NAMES, {"ids": list(segment_ids)})
    campaigns = await connection.execute(_CAMPAIGN_NAMES, {"ids": list(campaign_ids)})
    return (
        {row.id: (row.dimension, row.value) for row in segments},
        {row.id: row.name for row in campaigns},
    )


async def published(connection: AsyncConnection, segment_ids: Sequence[int]) -> dict[ScoreKey, tuple[int, Figures]]:
    """Sequence and figures of what was published last for these segments."""
    rows = await connection.execute(_PUBLISHED, {"segment_ids": list(segment_ids)})
    return {(row.segment_id, row.campaign_id, row.window_days): (row.sequence, tuple(row.figures)) for row in rows}


async def record(connection: AsyncConnection, scores: dict[ScoreKey, Published]) -> None:
    """Keeps what is being published."""
    if scores:
        await connection.execute(
            _RECORD,
            {
                "segment_ids": [key[0] for key in scores],
                "campaign_ids": [key[1] for key in scores],
                "window_days": [key[2] for key in scores],
                "sequences": [score.sequence for score in scores.values()],
                "figures": ["{" + ",".join(map(str, score.figures)) + "}" for score in scores.values()],
                "bodies": [score.body for score in scores.values()],
            },
        )


async def changes_after(connection: AsyncConnection, change: int, limit: int) -> list[tuple[int, str]]:
    """Published scores that changed after ``change``, in the order they did, each as it stands now."""
    rows = await connection.execute(_CHANGES, {"after": change, "limit": limit})
    return [(row.change, row.body) for row in rows]


async def last_change(connection: AsyncConnection) -> int:
    change: int = (await connection.execute(_LAST_CHANGE)).scalar_one()
    return change
