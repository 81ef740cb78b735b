"""SQL for published campaigns, one row per version."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.campaigns import CampaignPublished
from shared.persistence.columns import Columns

_COLUMNS = Columns(campaign="text", campaign_version="integer", definition="jsonb")
_PUT = text(
    f"""
    INSERT INTO campaigns ({_COLUMNS.names}) SELECT {_COLUMNS.values} FROM {_COLUMNS.given}
    ON CONFLICT (campaign, campaign_version) DO UPDATE SET definition = EXCLUDED.definition
    """  # noqa: S608  # composed of column names, never values
)


async def put(connection: AsyncConnection, published: Sequence[CampaignPublished]) -> None:
    """Stores the campaigns, each version once."""
    rows = [
        {
            "campaign": campaign.campaign,
            "campaign_version": campaign.campaign_version,
            "definition": campaign.model_dump_json(),
        }
        for campaign in published
    ]
    await connection.execute(_PUT, _COLUMNS.parameters(rows))
