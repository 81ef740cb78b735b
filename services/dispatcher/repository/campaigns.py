"""Campaign definitions and their versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.campaigns import MAX_CAMPAIGNS, Campaign
from shared.contracts.campaigns import Brand

_ALL = text(
    """
    SELECT campaign, version, definition::text AS definition, brand::text AS brand, file_definition::text AS from_file
    FROM campaigns ORDER BY campaign LIMIT :most
    """
)
_LOCK = text("LOCK TABLE campaigns IN SHARE ROW EXCLUSIVE MODE")
_WRITE = text(
    """
    INSERT INTO campaigns (campaign, version, definition, brand, file_definition, changed_at)
    SELECT campaign, version, CAST(definition AS jsonb), CAST(brand AS jsonb), CAST(file_definition AS jsonb), :now
    FROM unnest(
        CAST(:campaigns AS text[]), CAST(:versions AS integer[]), CAST(:definitions AS text[]),
        CAST(:brands AS text[]), CAST(:file_definitions AS text[])
    ) AS campaign (campaign, version, definition, brand, file_definition)
    ON CONFLICT (campaign) DO UPDATE
    SET version = excluded.version, definition = excluded.definition, brand = excluded.brand,
        file_definition = excluded.file_definition, changed_at = excluded.changed_at
    """
)


@dataclass(frozen=True, slots=True)
class StoredCampaign:
    """A definition as it is in force. ``from_file`` is what its file last said, None when it came by API only."""

    campaign: Campaign
    version: int
    brand: Brand
    from_file: Campaign | None = None


async def all_of_them(connection: AsyncConnection) -> dict[str, StoredCampaign]:
    """The campaigns in force, by id."""
    rows = await connection.execute(_ALL, {"most": MAX_CAMPAIGNS})
    return {row.campaign: _stored(row) for row in rows}


async def lock(connection: AsyncConnection) -> None:
    """Lets one process at a time change definitions, so that versions are given once. Reading goes on."""
    await connection.execute(_LOCK)


async def write(connection: AsyncConnection, campaigns: Sequence[StoredCampaign], now: datetime) -> None:
    if campaigns:
        await connection.execute(
            _WRITE,
            {
                "campaigns": [stored.campaign.id for stored in campaigns],
                "versions": [stored.version for stored in campaigns],
                "definitions": [stored.campaign.model_dump_json() for stored in campaigns],
                "brands": [stored.brand.model_dump_json() for stored in campaigns],
                "file_definitions": [
                    None if stored.from_file is None else stored.from_file.model_dump_json() for stored in campaigns
                ],
                "now": now,
            },
        )


def _stored(row: Row[Any]) -> StoredCampaign:
    return StoredCampaign(
        campaign=_campaign(row.definition),
        version=row.version,
        brand=Brand.model_validate_json(row.brand),
        from_file=None if row.from_file is None else _campaign(row.from_file),
    )


# A few definitions are read in every transaction, and change rarely.
_READ: dict[str, Campaign] = {}


def _campaign(written: str) -> Campaign:
    known = _READ.get(written)
    if known is None:
        if len(_READ) > 2 * MAX_CAMPAIGNS:
            _READ.clear()
        known = _READ[written] = Campaign.model_validate(orjson.loads(written))
    return known
