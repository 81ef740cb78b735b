"""Unsubscribing: opening the page does nothing, the button does, and it can be undone."""

from typing import Literal

import pytest
from playwright.async_api import Route, expect

from tests.browser.chromium import NARROWEST, Visits
from tests.browser.measure import hard_to_read, sticking_out
from tests.browser.shop import Shop
from tests.browser.test_survey import words


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
async def test_looking_changes_nothing_and_the_button_does(shop: Shop, visits: Visits, script: bool) -> None:
    said = words("en")
    mail = await shop.asked()
    assert mail.unsubscribe_url is not None
    page = await visits.open(mail.unsubscribe_url, script=script)
    await page.reload()
    await expect(page.locator("h1")).to_have_text(said["unsubscribe_title"])
    await page.get_by_role("button", name=said["unsubscribe"], exact=True).click()
    await expect(page.locator("h1")).to_have_text(said["unsubscribed_title"])

    later = await visits.open(mail.unsubscribe_url, script=script)
    await expect(later.locator("h1")).to_have_text(said["unsubscribed_title"])
    await later.get_by_role("button", name=said["resubscribe"]).click()
    await expect(later.locator("h1")).to_have_text(said["resubscribed_title"])
    await later.goto(mail.unsubscribe_url)
    await expect(later.locator("h1")).to_have_text(said["unsubscribe_title"])


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
async def test_a_wish_that_waits_for_its_survey_continues_by_itself(shop: Shop, visits: Visits, script: bool) -> None:
    """The collector already knows the survey, so the waiting page is simulated for a moment."""
    mail = await shop.asked()
    waiting = f"""<!doctype html><meta http-equiv="refresh" content="1;url={mail.unsubscribe_url}?lang=nb">
        <main id="step"><h1 tabindex="-1">waiting</h1></main>"""
    pressed = 0

    async def wait_a_moment(route: Route) -> None:
        nonlocal pressed
        pressed += route.request.method == "POST"
        if pressed and "lang=nb" not in route.request.url:
            await route.fulfill(status=202, content_type="text/html", body=waiting)
        else:
            await route.continue_()

    page = await visits.blank(script=script)
    await page.route("**/unsubscribe/**", wait_a_moment)
    await page.goto(mail.unsubscribe_url or "")
    await page.get_by_role("button", name=words("en")["unsubscribe"], exact=True).click()
    await expect(page.locator("h1")).to_have_text(words("nb")["unsubscribe_title"])
    assert pressed == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_both_states_are_readable_on_the_narrowest_phone(
    shop: Shop, visits: Visits, scheme: Literal["light", "dark"]
) -> None:
    mail = await shop.asked()
    page = await visits.open(mail.unsubscribe_url or "", width=NARROWEST, color_scheme=scheme, script=False)
    assert await hard_to_read(page) == [] and await sticking_out(page) == []
    await page.get_by_role("button").click()
    await expect(page.locator("h1")).to_have_text(words("en")["unsubscribed_title"])
    assert await hard_to_read(page) == [] and await sticking_out(page) == []


async def test_a_forged_link_says_so_kindly(shop: Shop, visits: Visits) -> None:
    for path in ("/s/forged?score=3", "/unsubscribe/forged"):
        page = await visits.open(shop.url("collector", path))
        await expect(page.locator("h1")).to_have_text(words("en")["broken_link_title"])
        await expect(page.locator("form")).to_have_count(0)
