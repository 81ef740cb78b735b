"""The tables ``scores`` and ``publication``: the last publication of each score, their order, and the day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publication import Publication, Published, ScoreKey
from services.scorer.repository.arrays import array
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

# Two concurrent publishers could overwrite a newer score with a stale one. The lock is held until the transaction
# ends, either way.
_TAKE_TURN = text("SELECT pg_try_advisory_xact_lock(hashtextextended('hearback.publish.' || current_schema(), 0))")
_LAST_DAY = text("SELECT last_day FROM publication")
_SET_LAST_DAY = text(
    "INSERT INTO publication (last_day) VALUES (:day) ON CONFLICT (only_one) DO UPDATE SET last_day = excluded.last_day"
)
_PUBLISHED = text(
    """
    SELECT segment_id, campaign_id, window_days, sequence, figures
    FROM scores WHERE segment_id = ANY(CAST(:segment_ids AS integer[]))
    """
)
_COLUMNS = Columns(
    segment_id="integer",
    campaign_id="integer",
    window_days="integer",
    sequence="integer",
    figures="bigint[]",
    body="text",
)
_RECORD = text(
    f"""
    INSERT INTO scores ({_COLUMNS.names})
    SELECT {_COLUMNS.values}
    FROM {_COLUMNS.given}
    ORDER BY segment_id, campaign_id, window_days
    ON CONFLICT (segment_id, campaign_id, window_days) DO UPDATE SET
        sequence = excluded.sequence, figures = excluded.figures, body = excluded.body, change = DEFAULT
    """  # noqa: S608  # composed of column names, never values
)
_CHANGES = Statement(
    """
    SELECT newest.change AS newest, changed.change, changed.body
    FROM (SELECT COALESCE(max(change), 0) AS change FROM scores) AS newest
    LEFT JOIN LATERAL (SELECT change, body FROM scores WHERE change > :after ORDER BY change LIMIT :limit) AS changed
           ON true
    ORDER BY changed.change
    """
)
_LAST_CHANGE = text("SELECT COALESCE(max(change), 0) FROM scores")


async def take_turn(connection: AsyncConnection) -> bool:
    """Whether this process may publish, until its transaction ends."""
    return bool((await connection.execute(_TAKE_TURN)).scalar_one())


async def last_day(connection: AsyncConnection) -> date | None:
    """The last day of the windows last published; None before the first publication."""
    day: date | None = (await connection.execute(_LAST_DAY)).scalar_one_or_none()
    return day


async def set_last_day(connection: AsyncConnection, day: date) -> None:
    await connection.execute(_SET_LAST_DAY, {"day": day})


async def published(connection: AsyncConnection, segment_ids: Sequence[int]) -> dict[ScoreKey, Published]:
    """The last publication of each score of these segments."""
    rows = await connection.execute(_PUBLISHED, {"segment_ids": list(segment_ids)})
    return {
        ScoreKey(segment_id=row.segment_id, campaign_id=row.campaign_id, window_days=row.window_days): Published(
            row.sequence, tuple(row.figures)
        )
        for row in rows
    }


async def record(connection: AsyncConnection, publications: Sequence[Publication]) -> None:
    """Stores the scores being published."""
    if publications:
        rows = [
            {
                **one.key._asdict(),
                "sequence": one.body.sequence,
                "figures": array(one.figures),
                "body": one.body.model_dump_json(exclude_none=True),
            }
            for one in publications
        ]
        await connection.execute(_RECORD, _COLUMNS.parameters(rows))


@dataclass(frozen=True, slots=True)
class Changes:
    """Published scores that changed, in order, each with its latest body; ``newest`` is the last of all changes."""

    changed: list[tuple[int, str]]
    newest: int


async def changes_after(connection: AsyncConnection, change: int, *, limit: int) -> Changes:
    """The first ``limit`` after ``change``."""
    rows = await _CHANGES.rows(connection, {"after": change, "limit": limit})
    return Changes([(row.change, row.body) for row in rows if row.change is not None], rows[0].newest)


async def last_change(connection: AsyncConnection) -> int:
    change: int = (await connection.execute(_LAST_CHANGE)).scalar_one()
    return change
