"""SQL for published campaigns, one row per version."""

from collections.abc import Collection, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.campaigns import CampaignPublished
from shared.persistence.columns import Columns
from shared.persistence.statement import Statement

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


_PUBLISHED = text("SELECT DISTINCT campaign FROM campaigns ORDER BY campaign LIMIT :limit")
_AMONG = Statement("SELECT DISTINCT campaign FROM campaigns WHERE campaign = ANY(CAST(:campaigns AS text[]))")


async def published_among(connection: AsyncConnection, campaigns: Collection[str]) -> set[str]:
    """Those of the campaigns that have been published; they stay so."""
    return {row.campaign for row in await _AMONG.rows(connection, {"campaigns": sorted(campaigns)})}


async def published(connection: AsyncConnection, limit: int) -> list[str]:
    """The ids of up to ``limit`` campaigns, in alphabetical order."""
    return list((await connection.execute(_PUBLISHED, {"limit": limit})).scalars())
