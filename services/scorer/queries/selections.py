"""A query with its names replaced by ids, and where its counts are read.

One segment's are read from the day counts; those of several combined (AND) from the answers themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.comparisons import Values, ValuesPage
from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.scores import Sums
from services.scorer.domain.segments import EVERYBODY_ID
from services.scorer.domain.windows import Days
from services.scorer.repository import answers, day_counts, names


@dataclass(frozen=True, slots=True)
class Selection:
    """Answers in all of these segments, at least one, and of one campaign or any (None)."""

    segment_ids: tuple[int, ...]
    campaign_id: int | None


async def selection_of(connection: AsyncConnection, query: ScoreQuery) -> Selection | None:
    """None when one of the query's names was never seen, so that no answer matches."""
    campaign_id = None
    if query.campaign is not None:
        campaign_id = (await names.find_campaigns(connection, [query.campaign])).get(query.campaign)
        if campaign_id is None:
            return None
    if not query.segments:
        return Selection((EVERYBODY_ID,), campaign_id)
    found = await names.find_segments(connection, query.segments)
    if len(found) < len(query.segments):
        return None
    return Selection(tuple(sorted(found.values())), campaign_id)


async def sums_of(connection: AsyncConnection, selection: Selection, spans: Sequence[Days]) -> list[Sums]:
    """What the selection adds up to on each of ``spans``, in their order."""
    campaign_id = selection.campaign_id
    match selection.segment_ids:
        case (segment_id,):
            return await day_counts.sums(connection, spans, segment_id=segment_id, campaign_id=campaign_id)
        case segment_ids:
            return await answers.sums(connection, spans, segment_ids=segment_ids, campaign_id=campaign_id)


async def daily_of(connection: AsyncConnection, selection: Selection, span: Days) -> dict[date, Sums]:
    """What the selection adds up to on each day on which anything was counted."""
    campaign_id = selection.campaign_id
    match selection.segment_ids:
        case (segment_id,):
            return await day_counts.daily(connection, span, segment_id=segment_id, campaign_id=campaign_id)
        case segment_ids:
            return await answers.daily(connection, span, segment_ids=segment_ids, campaign_id=campaign_id)


async def values_of(
    connection: AsyncConnection, selection: Selection, span: Days, page: ValuesPage, *, dimension: str
) -> Values:
    """A page of the values of a dimension within the selection."""
    campaign_id = selection.campaign_id
    if selection.segment_ids == (EVERYBODY_ID,):
        return await day_counts.values_of_dimension(
            connection, span, page, dimension=dimension, campaign_id=campaign_id
        )
    return await answers.values_within(
        connection, span, page, dimension=dimension, segment_ids=selection.segment_ids, campaign_id=campaign_id
    )
