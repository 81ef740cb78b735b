"""The survey behind a link, if it can be shown."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.surveys import Survey, answerable, score_stays
from services.collector.repository import surveys


async def answerable_survey(
    connection: AsyncConnection, send_id: str, now: datetime, *, score: int | None = None, only_comments: bool = False
) -> Survey:
    """The survey, if it may be answered at ``now``; with ``only_comments``, if a comment may be added at least, unless
    ``score`` is another one than before. Raises UnknownSurvey, ErasedSurvey or ClosedSurvey."""
    survey = await surveys.read(connection, send_id)
    return answerable(survey, now, score_stays=only_comments and score_stays(survey, score))
