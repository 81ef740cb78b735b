"""Stores published campaigns for the pages that will need them."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.repository import campaigns
from shared.contracts.campaigns import CampaignPublished


async def store(connection: AsyncConnection, published: Sequence[CampaignPublished]) -> None:
    """Of several with the same version, the last is stored."""
    newest = {(campaign.campaign, campaign.campaign_version): campaign for campaign in published}
    await campaigns.put(connection, [campaign for _, campaign in sorted(newest.items())])
