"""The table ``scores``: the last publication of each score, and their order."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publication import Key, Publication, Published, ScoreKey
from services.scorer.repository.arrays import array
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

_PUBLISHED = Statement(
    """
    SELECT scores.segment_id, scores.campaign_id, window_days, sequence, figures
    FROM unnest(CAST(:segment_ids AS integer[]), CAST(:campaign_ids AS integer[])) AS key (segment_id, campaign_id)
    JOIN scores ON scores.segment_id = key.segment_id AND scores.campaign_id = key.campaign_id
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
_RECORD = Statement(
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


async def published(connection: AsyncConnection, keys: Sequence[Key]) -> dict[ScoreKey, Published]:
    """The last publication of each score of these segments and campaigns."""
    values = {"segment_ids": [key.segment_id for key in keys], "campaign_ids": [key.campaign_id for key in keys]}
    return {
        ScoreKey(segment_id=row.segment_id, campaign_id=row.campaign_id, window_days=row.window_days): Published(
            row.sequence, tuple(row.figures)
        )
        for row in await _PUBLISHED.rows(connection, values)
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
        await _RECORD.changes(connection, _COLUMNS.parameters(rows))


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
