"""Brings campaign definitions into force: from their files at start, and by API; a changed one is a new version."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import campaigns as rules
from services.dispatcher.domain.campaigns import Campaign, InvalidCampaign
from services.dispatcher.repository import campaigns as repository
from services.dispatcher.repository.campaigns import MOST_CAMPAIGNS, StoredCampaign
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import campaigns as contract
from shared.contracts import identity
from shared.contracts.campaigns import CampaignPublished
from shared.contracts.events import Event
from shared.runtime import Runtime


class TooManyCampaigns(ValueError):
    """The installation is full."""


async def take_in_files(runtime: Runtime[DispatcherSettings], campaigns: Sequence[Campaign]) -> None:
    """Takes in what the campaign files say. A file that says what it last said does not undo what came by API since.

    A campaign whose file is gone is switched off.
    """
    async with runtime.transaction() as connection:
        await repository.lock(connection)
        stored = await repository.all_of_them(connection)
        wanted: list[StoredCampaign] = []
        for campaign in campaigns:
            before = stored.get(campaign.id)
            if before is None:
                wanted.append(StoredCampaign(campaign, 0, runtime.brand, campaign))
            elif before.from_file == campaign:
                wanted.append(before)
            else:
                wanted.append(replace(before, campaign=campaign, from_file=campaign))
        present = {campaign.id for campaign in campaigns}
        for name, before in stored.items():
            if name not in present:
                gone = before.from_file is not None
                switched_off = before.campaign.model_copy(update={"active": False})
                wanted.append(replace(before, campaign=switched_off, from_file=None) if gone else before)
        await _bring_into_force(runtime, connection, stored, wanted)


async def put(runtime: Runtime[DispatcherSettings], campaign: Campaign) -> StoredCampaign:
    """Brings one definition into force and gives it back with its version. Raises TooManyCampaigns."""
    async with runtime.transaction() as connection:
        await repository.lock(connection)
        stored = await repository.all_of_them(connection)
        before = stored.get(campaign.id)
        if before is None and len(stored) >= MOST_CAMPAIGNS:
            raise TooManyCampaigns(f"there are {MOST_CAMPAIGNS} campaigns already; change one of them")
        wanted = StoredCampaign(campaign, 0, runtime.brand) if before is None else replace(before, campaign=campaign)
        (in_force,) = await _bring_into_force(runtime, connection, stored, [wanted])
        return in_force


async def _bring_into_force(
    runtime: Runtime[DispatcherSettings],
    connection: AsyncConnection,
    stored: Mapping[str, StoredCampaign],
    wanted: Iterable[StoredCampaign],
) -> list[StoredCampaign]:
    """Writes what differs from ``stored`` and publishes each changed definition under its next version."""
    now = runtime.clock.now()
    in_force, changed, events = [], [], []
    for stale in wanted:
        campaign = replace(stale, brand=runtime.brand)
        before = stored.get(campaign.campaign.id)
        if before is None or (campaign.campaign, campaign.brand) != (before.campaign, before.brand):
            campaign = replace(campaign, version=campaign.version + 1)
            events.append(_published(runtime, campaign))
        if campaign != before:
            changed.append(campaign)
        in_force.append(campaign)
    await repository.write(connection, changed, now)
    await runtime.outbox.put(connection, events)
    return in_force


def _published(runtime: Runtime[DispatcherSettings], stored: StoredCampaign) -> Event:
    campaign = stored.campaign
    return Event(
        topic="surveys.campaigns",
        key=campaign.id,
        event_id=identity.event_id(contract.PUBLISHED, campaign.id, stored.version),
        type=contract.PUBLISHED,
        time=runtime.clock.now(),
        body=CampaignPublished(
            campaign=campaign.id,
            campaign_version=stored.version,
            subject_of_question=campaign.subject_of_question,
            brand=stored.brand,
            default_locale=campaign.default_locale,
            texts=campaign.texts,
            answer_within_days=campaign.answer_within_days,
            active=campaign.active,
        ),
    )


def read_folder(folder: Path) -> list[Campaign]:
    """The campaigns in the folder's ``*.yaml`` files, by file name. Raises InvalidCampaign."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise InvalidCampaign(f"{folder}: has no *.yaml file; HEARBACK_CAMPAIGNS_DIR names the folder of the campaigns")
    if len(files) > MOST_CAMPAIGNS:
        raise InvalidCampaign(f"{folder}: has {len(files)} files; {MOST_CAMPAIGNS} campaigns is the most")
    campaigns: dict[str, Campaign] = {}
    for file in files:
        try:
            written = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidCampaign(f"{file.name}: cannot be read as UTF-8 text ({type(error).__name__})") from error
        campaigns[file.name] = rules.parse(written, file.name)
    rules.check_together(campaigns)
    return list(campaigns.values())
