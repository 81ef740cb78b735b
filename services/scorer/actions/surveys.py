"""Counting delivered surveys, for the response rate."""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions.names import Names
from services.scorer.domain.surveys import (
    SurveyFacts,
    delivered_changes,
    facts_of_deliveries,
    facts_of_sends,
    first_sends,
)
from services.scorer.repository import day_counts, surveys
from shared.contracts.deliveries import Delivery
from shared.contracts.sends import SurveySent


async def count_sends(
    connection: AsyncConnection, names: Names, bodies: Iterable[SurveySent], *, zone: ZoneInfo
) -> None:
    """Records which segments surveys count in. Days begin and end in ``zone``."""
    sent = first_sends(bodies)
    facts = facts_of_sends(
        sent,
        campaign_ids=await names.campaigns([body.campaign for _, body in sent]),
        segment_ids=await names.segments([body.segments for _, body in sent]),
        zone=zone,
    )
    await _count_delivered(connection, facts)


async def count_deliveries(
    connection: AsyncConnection, reports: Iterable[tuple[str, Delivery]], *, zone: ZoneInfo
) -> None:
    """Records whether surveys were delivered, from pairs of event type and body."""
    await _count_delivered(connection, facts_of_deliveries(reports, zone))


async def _count_delivered(connection: AsyncConnection, facts: Sequence[SurveyFacts]) -> None:
    if facts:
        changed = await surveys.write(connection, facts)
        await day_counts.add(connection, delivered_changes(changed))
