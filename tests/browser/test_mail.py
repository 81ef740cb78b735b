"""The survey email as a mail client shows it, opened from the mailbox page."""

from typing import Literal

import pytest
from playwright.async_api import Frame, Page, expect

from tests.browser.chromium import NARROWEST, PHONE, WIDE, Visits
from tests.browser.measure import hard_to_read, sticking_out
from tests.browser.shop import Shop
from tests.browser.test_survey import marked, words
from tools.simulation.mailbox import Mail


async def opened(shop: Shop, visits: Visits, mail: Mail, width: int = WIDE) -> tuple[Page, Frame]:
    """The mailbox's page of the email, found by its recipient, and the frame with the email in it."""
    page = await visits.open(shop.url("mailbox", f"/?to={mail.to}"), width=width)
    await page.get_by_role("link", name=mail.to).click()
    await expect(page.frame_locator("iframe").locator("a").first).to_be_visible()
    frame = next(frame for frame in page.frames if frame.url.endswith("/body"))
    return page, frame


@pytest.mark.parametrize(("width", "rows"), [(WIDE, [11]), (PHONE, [6, 5])], ids=["wide", "phone"])
async def test_eleven_numbers_large_enough_to_touch(shop: Shop, visits: Visits, width: int, rows: list[int]) -> None:
    mail = await shop.asked()
    _, frame = await opened(shop, visits, mail, width)
    links = frame.locator("a[href*='/s/']")
    assert [text.strip() for text in await links.all_inner_texts()] == [str(score) for score in range(11)]
    boxes = await links.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().toJSON())")
    tops = [round(box["top"]) for box in boxes]
    assert [tops.count(top) for top in sorted(set(tops))] == rows
    assert min(box["height"] for box in boxes) >= 44 and min(box["width"] for box in boxes) >= 32
    assert await frame.locator("img").count() == 0


async def test_a_number_leads_to_the_page_with_that_number_marked(shop: Shop, visits: Visits) -> None:
    mail = await shop.asked()
    page, frame = await opened(shop, visits, mail)
    async with page.context.expect_page() as appearing:
        await frame.get_by_role("link", name="8", exact=True).click()
    survey = await appearing.value
    await expect(survey.locator("h1")).to_have_text(words("en")["question_service"])
    assert await marked(survey) == "8"
    assert await shop.answers(mail) == 0


async def test_the_way_out_is_a_link_and_a_header(shop: Shop, visits: Visits) -> None:
    mail = await shop.asked()
    page, frame = await opened(shop, visits, mail)
    await page.get_by_text("Headers", exact=True).click()
    await expect(page.locator("dt", has_text="List-Unsubscribe-Post")).to_be_visible()
    async with page.context.expect_page() as appearing:
        await frame.get_by_role("link", name="Unsubscribe").click()
    await expect((await appearing.value).locator("h1")).to_have_text(words("en")["unsubscribe_title"])


@pytest.mark.parametrize(
    ("locale", "language"), [("ko", "ko"), ("zh-CN", "zh"), ("zh-TW", "zh-Hant"), ("pt-BR", "pt"), ("nb-NO", "nb")]
)
async def test_each_language_fits_the_narrowest_phone(shop: Shop, visits: Visits, locale: str, language: str) -> None:
    mail = await shop.asked(locale)
    page = await visits.open(shop.url("mailbox", f"/api/messages/{mail.id}/html"), width=NARROWEST)
    assert await page.locator("[lang]").first.get_attribute("lang") == language
    await expect(page.get_by_text(words(language)["question_service"])).to_be_visible()
    await expect(page.get_by_text(words(language)["most_likely"])).to_be_visible()
    assert await sticking_out(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_readable_with_a_pale_brand(shop: Shop, visits: Visits, scheme: Literal["light", "dark"]) -> None:
    mail = await shop.asked()
    page = await visits.open(shop.url("mailbox", f"/api/messages/{mail.id}/html"), color_scheme=scheme)
    assert await hard_to_read(page) == []


@pytest.mark.parametrize("path", ["/", "/messages/{}"], ids=["list", "mail"])
async def test_the_mailbox_itself_fits_and_is_readable(shop: Shop, visits: Visits, path: str) -> None:
    mail = await shop.asked()
    page = await visits.open(shop.url("mailbox", path.format(mail.id)), width=NARROWEST)
    assert await sticking_out(page) == []
    assert await hard_to_read(page) == []
