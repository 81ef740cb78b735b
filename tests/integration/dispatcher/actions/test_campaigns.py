"""Applying campaigns from files and through the API, and their versions."""

from pathlib import Path

import pytest

from services.dispatcher.actions import campaigns as actions
from services.dispatcher.domain.campaigns import MAX_CAMPAIGNS, parse
from services.dispatcher.repository import campaigns
from services.dispatcher.settings import read_campaigns
from shared.contracts import topics
from tests.integration.dispatcher.conftest import campaign_folder
from tests.integration.dispatcher.kit import Open


async def test_files_are_applied_again_only_when_they_say_something_new(open_dispatcher: Open, tmp_path: Path) -> None:
    one = "id: one\ntrigger: {after: order.placed}\n"
    folder = campaign_folder(tmp_path / "campaigns", one=one, two="id: two\nevery: 30 days\n")
    dispatcher = await open_dispatcher(campaigns_dir=folder)

    async def restarted() -> dict[str, tuple[int, bool, int]]:
        await actions.apply_files(dispatcher.runtime, read_campaigns(folder))
        async with dispatcher.runtime.read_only() as connection:
            stored = await campaigns.all_of_them(connection)
        return {name: (each.version, each.campaign.active, each.campaign.priority) for name, each in stored.items()}

    assert await restarted() == {"one": (1, True, 100), "two": (1, True, 100)}
    by_api = parse(one + "priority: 3", where="api")
    await actions.put(dispatcher.runtime, by_api)
    assert (await restarted())["one"] == (2, True, 3), "a restart does not undo changes made through the API"
    campaign_folder(folder, one=one + "priority: 9")
    assert (await restarted())["one"] == (3, True, 9), "a changed file is applied"
    (folder / "two.yaml").unlink()
    assert (await restarted())["two"] == (2, False, 100), "a campaign whose file was removed is deactivated"
    assert (await restarted())["two"] == (2, False, 100)


async def test_a_changed_brand_is_published_under_a_new_version(open_dispatcher: Open) -> None:
    await open_dispatcher()
    renamed = await open_dispatcher(brand_name="Nordlys")
    published = await renamed.published(topics.CAMPAIGNS.name)
    assert [(each["campaign_version"], each["brand"]["name"]) for each in published] == [(1, "Our shop")] * 3 + [
        (2, "Nordlys")
    ] * 3


async def test_files_bring_no_more_campaigns_than_every_batch_can_read(open_dispatcher: Open, tmp_path: Path) -> None:
    folder = campaign_folder(tmp_path / "campaigns", one="id: one\ntrigger: {after: order.placed}\n")
    dispatcher = await open_dispatcher(campaigns_dir=folder)
    for number in range(MAX_CAMPAIGNS - 1):
        await actions.put(dispatcher.runtime, parse(f"id: api-{number}\nevery: 30 days", where="api"))
    campaign_folder(folder, two="id: two\nevery: 30 days\n")
    with pytest.raises(actions.TooManyCampaigns, match="201"):
        await actions.apply_files(dispatcher.runtime, read_campaigns(folder))
    (folder / "two.yaml").unlink()
    await actions.apply_files(dispatcher.runtime, read_campaigns(folder))
