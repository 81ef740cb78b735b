"""Customers' comments."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.score_query import ScoreQuery
from services.scorer.queries.selections import selection_of
from services.scorer.repository import comments
from services.scorer.repository.comments import Comment


async def newest_comments(connection: AsyncConnection, query: ScoreQuery, *, limit: int) -> list[Comment]:
    """The newest comments of the query's answers, newest first."""
    selection = await selection_of(connection, query)
    if selection is None:
        return []
    return await comments.newest(
        connection, query.days, segment_ids=selection.segment_ids, campaign_id=selection.campaign_id, limit=limit
    )
