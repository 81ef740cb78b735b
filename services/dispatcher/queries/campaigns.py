"""The current campaigns, as the API lists and names them."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.campaigns import StoredCampaign
from services.dispatcher.repository import campaigns


class NoSuchCampaign(LookupError):
    """There is no campaign with this id."""


async def every(connection: AsyncConnection) -> list[StoredCampaign]:
    """All of them, by id."""
    return list((await campaigns.all_of_them(connection)).values())


async def one(connection: AsyncConnection, campaign_id: str) -> StoredCampaign:
    """Raises NoSuchCampaign."""
    stored = (await campaigns.all_of_them(connection)).get(campaign_id)
    if stored is None:
        raise NoSuchCampaign(f"there is no campaign {campaign_id!r}; GET /v1/campaigns lists them")
    return stored
