"""Customers' comments."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.comments import Comment
from services.scorer.domain.windows import Days
from services.scorer.queries.selections import Selection
from services.scorer.repository import comments


async def newest_comments(
    connection: AsyncConnection, selection: Selection, days: Days, *, limit: int
) -> list[Comment]:
    """The newest comments of the selection's answers on these days, newest first."""
    return await comments.newest(
        connection, days, segment_ids=selection.segment_ids, campaign_id=selection.campaign_id, limit=limit
    )
