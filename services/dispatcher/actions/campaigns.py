"""Applies campaign definitions, from files at startup and through the API. A changed one becomes a new version."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.campaigns import MAX_CAMPAIGNS, Campaign, StoredCampaign
from services.dispatcher.repository import campaigns as repository
from services.dispatcher.settings import SHIPPED_CAMPAIGNS, DispatcherSettings
from shared.contracts.campaigns import event
from shared.definitions import InvalidDefinition, file_takes_effect
from shared.runtime import Runtime


class TooManyCampaigns(InvalidDefinition):
    """The installation already has the maximum number of campaigns."""


async def apply_files(runtime: Runtime[DispatcherSettings], campaigns: Sequence[Campaign]) -> None:
    """Applies the campaign files. A file that has not changed does not undo later changes made through the API, and
    those we ship never do.

    A campaign whose file was removed is deactivated. Raises TooManyCampaigns.
    """
    async with runtime.transaction() as connection:
        await repository.lock(connection)
        stored = await repository.all_of_them(connection)
        wanted: list[StoredCampaign] = []
        for campaign in campaigns:
            before = stored.get(campaign.id)
            if before is None:
                wanted.append(StoredCampaign(campaign=campaign, version=0, brand=runtime.brand, from_file=campaign))
            elif file_takes_effect(
                campaign,
                said_last=before.from_file,
                shipped=runtime.settings.campaigns_dir == SHIPPED_CAMPAIGNS,
                changed_by_api=before.campaign != before.from_file,
            ):
                wanted.append(replace(before, campaign=campaign, from_file=campaign))
            else:
                wanted.append(before)
        present = {campaign.id for campaign in campaigns}
        if (number := len(present | stored.keys())) > MAX_CAMPAIGNS:
            raise TooManyCampaigns(
                f"with the campaign files there would be {number} campaigns, counting those made through the API and "
                f"inactive ones; the maximum is {MAX_CAMPAIGNS}, so reuse the id of one that is no longer needed"
            )
        for name, before in stored.items():
            if name not in present:
                gone = before.from_file is not None
                switched_off = before.campaign.model_copy(update={"active": False})
                wanted.append(replace(before, campaign=switched_off, from_file=None) if gone else before)
        await _write_changed(connection, runtime, stored, wanted)


async def put(runtime: Runtime[DispatcherSettings], campaign: Campaign) -> StoredCampaign:
    """Applies one definition and returns it with its version. Raises TooManyCampaigns."""
    async with runtime.transaction() as connection:
        await repository.lock(connection)
        stored = await repository.all_of_them(connection)
        before = stored.get(campaign.id)
        if before is None and len(stored) >= MAX_CAMPAIGNS:
            raise TooManyCampaigns(f"there are already {MAX_CAMPAIGNS} campaigns, the maximum; change one of them")
        wanted = (
            StoredCampaign(campaign=campaign, version=0, brand=runtime.brand)
            if before is None
            else replace(before, campaign=campaign)
        )
        (current,) = await _write_changed(connection, runtime, stored, [wanted])
        return current


async def _write_changed(
    connection: AsyncConnection,
    runtime: Runtime[DispatcherSettings],
    stored: Mapping[str, StoredCampaign],
    wanted: Iterable[StoredCampaign],
) -> list[StoredCampaign]:
    """Writes the definitions that differ from ``stored`` and publishes each under its next version."""
    now = runtime.clock.now()
    current, changed, events = [], [], []
    for stale in wanted:
        campaign = replace(stale, brand=runtime.brand)
        before = stored.get(campaign.campaign.id)
        if before is None or (campaign.campaign, campaign.brand) != (before.campaign, before.brand):
            campaign = replace(campaign, version=campaign.version + 1)
            events.append(event(campaign.published(), at=now))
        if campaign != before:
            changed.append(campaign)
        current.append(campaign)
    await repository.write(connection, changed, now)
    await runtime.outbox.put(connection, events)
    return current
