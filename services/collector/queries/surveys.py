"""The survey behind a link, if it can be shown."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.surveys import Survey, answerable
from services.collector.repository import surveys


async def answerable_survey(connection: AsyncConnection, send_id: str, now: datetime) -> Survey:
    """The survey, if it may be answered at ``now``. Raises UnknownSurvey, ErasedSurvey or ClosedSurvey."""
    return answerable(await surveys.read(connection, send_id), now)
