"""The tables ``scores`` and ``publication``: what was published last, in which order, and on which day."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publication import Publication, Published, ScoreKey
from services.scorer.repository.arrays import array
from shared.persistence.columns import Columns

# Two publishers at once could overwrite a newer score with an older one. Whichever has the turn keeps it until its
# transaction ends, in whatever way.
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
    """  # noqa: S608  # names and types of columns
)
_CHANGES = text("SELECT change, body FROM scores WHERE change > :after ORDER BY change LIMIT :limit")
_LAST_CHANGE = text("SELECT COALESCE(max(change), 0) FROM scores")


async def take_turn(connection: AsyncConnection) -> bool:
    """Whether this process may publish, until its transaction ends."""
    return bool((await connection.execute(_TAKE_TURN)).scalar_one())


async def last_day(connection: AsyncConnection) -> date | None:
    """The last day that windows ended on when they were published; None before the first time."""
    day: date | None = (await connection.execute(_LAST_DAY)).scalar_one_or_none()
    return day


async def set_last_day(connection: AsyncConnection, day: date) -> None:
    await connection.execute(_SET_LAST_DAY, {"day": day})


async def published(connection: AsyncConnection, segment_ids: Sequence[int]) -> dict[ScoreKey, Published]:
    """What was published last for these segments."""
    rows = await connection.execute(_PUBLISHED, {"segment_ids": list(segment_ids)})
    return {
        ScoreKey(row.segment_id, row.campaign_id, row.window_days): Published(row.sequence, tuple(row.figures))
        for row in rows
    }


async def record(connection: AsyncConnection, publications: Sequence[Publication]) -> None:
    """Keeps what is being published."""
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


async def changes_after(connection: AsyncConnection, change: int, *, limit: int) -> list[tuple[int, str]]:
    """Published scores that changed after ``change``, in the order they did, each body as it stands now."""
    rows = await connection.execute(_CHANGES, {"after": change, "limit": limit})
    return [(row.change, row.body) for row in rows]


async def last_change(connection: AsyncConnection) -> int:
    change: int = (await connection.execute(_LAST_CHANGE)).scalar_one()
    return change
