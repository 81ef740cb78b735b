"""The table ``comments``: the newest comments, shown beside the scores. The collector keeps all of them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.answers import NewComment
from services.scorer.domain.comments import Comment
from services.scorer.domain.windows import Days
from services.scorer.repository.arrays import array_text
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

_REMOVE = Statement("DELETE FROM comments WHERE key = ANY(CAST(:keys AS uuid[]))")
_COLUMNS = Columns(
    key="uuid",
    answer_id="text",
    answered_at="timestamptz",
    day="date",
    campaign_id="integer",
    score="smallint",
    segment_ids="integer[]",
    comment="text",
)
_ADD = Statement(f"INSERT INTO comments ({_COLUMNS.names}) SELECT {_COLUMNS.values} FROM {_COLUMNS.given}")  # noqa: S608  # composed of column names, never values
_FORGET = text("DELETE FROM comments WHERE answered_at < :before")
_KEEP_NEWEST = text(
    """
    DELETE FROM comments
    WHERE (answered_at, key) <= (SELECT answered_at, key FROM comments ORDER BY answered_at DESC, key DESC
                                 OFFSET :kept LIMIT 1)
    """
)
_NEWEST = text(
    """
    SELECT comment.key, comment.answer_id, comment.answered_at, comment.score, comment.comment,
           campaigns.name AS campaign
    FROM comments AS comment
    JOIN campaigns ON campaigns.id = comment.campaign_id
    WHERE comment.day > :after AND comment.day <= :end
      AND comment.segment_ids @> CAST(:segment_ids AS integer[])
      AND (CAST(:campaign_id AS integer) IS NULL OR comment.campaign_id = :campaign_id)
    ORDER BY comment.answered_at DESC, comment.key DESC
    LIMIT :limit
    """
)


async def remove(connection: AsyncConnection, keys: Sequence[str]) -> None:
    if keys:
        await _REMOVE.changes(connection, {"keys": list(keys)})


async def add(connection: AsyncConnection, comments: Sequence[NewComment]) -> None:
    if comments:
        columns = _COLUMNS.attributes(comments)
        columns["segment_ids"] = [array_text(new.segment_ids) for new in comments]
        await _ADD.changes(connection, columns)


async def keep_newest(connection: AsyncConnection, kept: int) -> None:
    """Removes all but the ``kept`` newest."""
    await connection.execute(_KEEP_NEWEST, {"kept": kept})


async def forget(connection: AsyncConnection, *, before: datetime) -> None:
    """Removes those of answers given before."""
    await connection.execute(_FORGET, {"before": before})


async def newest(
    connection: AsyncConnection, span: Days, *, segment_ids: Sequence[int], campaign_id: int | None, limit: int
) -> list[Comment]:
    """Comments of answers in all of the segments, of one campaign or any (None), newest first."""
    rows = await connection.execute(
        _NEWEST,
        {
            "segment_ids": list(segment_ids),
            "campaign_id": campaign_id,
            "after": span.after,
            "end": span.end,
            "limit": limit,
        },
    )
    return [
        Comment(
            id=str(row.key),
            answer_id=row.answer_id,
            answered_at=row.answered_at,
            score=row.score,
            comment=row.comment,
            campaign=row.campaign,
        )
        for row in rows
    ]
