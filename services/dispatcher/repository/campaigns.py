"""Campaign definitions and their versions."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.campaigns import MAX_CAMPAIGNS, Campaign, StoredCampaign
from services.dispatcher.domain.order_plans import CampaignIndex
from shared.contracts.campaigns import Brand
from shared.persistence.columns import Columns
from shared.persistence.statement import Row, Statement
from shared.persistence.stored import read_stored

_ROW = Columns(campaign="text", version="integer", definition="jsonb", brand="jsonb", file_definition="jsonb")
_ALL = Statement(
    """
    SELECT campaign, version, definition::text AS definition, brand::text AS brand, file_definition::text AS from_file
    FROM campaigns ORDER BY campaign LIMIT :most
    """
)
_DEFINITIONS = Statement("SELECT number, definition::text FROM campaigns ORDER BY campaign LIMIT :most")
_NUMBERS = text("SELECT number, campaign FROM campaigns")
_LOCK = text("LOCK TABLE campaigns IN SHARE ROW EXCLUSIVE MODE")
# A number is taken only for a campaign that has none yet: they are as few as there are campaigns.
_WRITE = text(
    f"""
    INSERT INTO campaigns ({_ROW.names}, changed_at, number)
    SELECT {_ROW.values}, :now, COALESCE(
        (SELECT number FROM campaigns AS before WHERE before.campaign = given.campaign), nextval('campaign_numbers')
    )
    FROM {_ROW.given}
    ON CONFLICT (campaign) DO UPDATE SET {_ROW.updates("excluded", but="campaign")}, changed_at = excluded.changed_at
    """  # noqa: S608  # composed of column names, never values
)


async def all_of_them(connection: AsyncConnection) -> dict[str, StoredCampaign]:
    """The current campaigns, by id."""
    return {row.campaign: _stored(row) for row in await _ALL.rows(connection, {"most": MAX_CAMPAIGNS})}


async def index(connection: AsyncConnection) -> CampaignIndex:
    """The current campaigns, compiled for order events."""
    global _indexed
    current = tuple(map(tuple, await _DEFINITIONS.rows(connection, {"most": MAX_CAMPAIGNS})))
    if current != _indexed[0]:
        _indexed = current, CampaignIndex({number: _campaign(written) for number, written in current})
    return _indexed[1]


async def ids(connection: AsyncConnection) -> dict[int, str]:
    """Every campaign's id by its number."""
    return {row.number: row.campaign for row in await connection.execute(_NUMBERS)}


async def lock(connection: AsyncConnection) -> None:
    """Lets one process at a time change definitions, so that versions are unique. Readers are not blocked."""
    await connection.execute(_LOCK)


async def write(connection: AsyncConnection, campaigns: Sequence[StoredCampaign], now: datetime) -> None:
    if campaigns:
        rows = (
            {
                "campaign": stored.campaign.id,
                "version": stored.version,
                "definition": stored.campaign.model_dump_json(),
                "brand": stored.brand.model_dump_json(),
                "file_definition": None if stored.from_file is None else stored.from_file.model_dump_json(),
            }
            for stored in campaigns
        )
        await connection.execute(_WRITE, {**_ROW.parameters(rows), "now": now})


def _stored(row: Row) -> StoredCampaign:
    return StoredCampaign(
        campaign=_campaign(row.definition),
        version=row.version,
        brand=read_stored(Brand, row.brand),
        from_file=None if row.from_file is None else _campaign(row.from_file),
    )


# A few definitions, read in every transaction and rarely changed.
_READ: dict[str, Campaign] = {}
_indexed: tuple[tuple[tuple[int, str], ...], CampaignIndex] = (), CampaignIndex({})


def _campaign(written: str) -> Campaign:
    known = _READ.get(written)
    if known is None:
        if len(_READ) > 2 * MAX_CAMPAIGNS:
            _READ.clear()
        known = _READ[written] = read_stored(Campaign, written)
    return known
