"""The survey page: how a customer answers, and how nobody else answers for them."""

import asyncio
from pathlib import Path
from typing import Literal

import pytest
import yaml
from playwright.async_api import Page, expect

from services import collector
from tests.browser.chromium import NARROWEST, WIDE, Visits
from tests.browser.conftest import BRAND_NAME
from tests.browser.measure import hard_to_read, sticking_out
from tests.browser.shop import Shop, answer_of, new_word

WORDS = Path(__file__).parents[2] / "shared" / "texts"
PAGES = Path(collector.__path__[0]) / "web" / "texts"
SCANNERS = 6


def words(language: str) -> dict[str, str]:
    """The pages' texts in a language, with the shop's name filled in."""
    said: dict[str, str] = {}
    for folder in (WORDS, PAGES):
        said |= yaml.safe_load((folder / f"{language}.yaml").read_text())
    return {key: text.replace("{brand}", BRAND_NAME) for key, text in said.items()}


async def marked(page: Page) -> str | None:
    checked = page.locator("input[name=score]:checked")
    return await checked.get_attribute("value") if await checked.count() else None


async def test_the_number_of_the_link_is_marked_and_opening_it_is_no_answer(shop: Shop, visits: Visits) -> None:
    mail = await shop.asked()
    for score in (0, 7, 10):
        page = await visits.open(f"{mail.answer_url}?score={score}")
        assert await marked(page) == str(score)
        await page.reload()
    assert await marked(await visits.open(mail.answer_url)) is None
    assert await shop.answers(mail) == 0


async def test_a_scanner_that_runs_scripts_and_follows_every_link_says_nothing(shop: Shop, visits: Visits) -> None:
    mail = await shop.asked()
    to_open = list(mail.links)
    opened: set[str] = set()

    async def scan() -> None:
        page = await visits.blank()
        while to_open:
            address = to_open.pop()
            opened.add(address)
            response = await page.goto(address, wait_until="networkidle")
            assert response is not None and response.ok
            links = await page.locator("a").evaluate_all("(all) => all.map((link) => link.href)")
            to_open.extend(link for link in links if link not in opened and link.startswith("http"))

    await asyncio.gather(*(scan() for _ in range(SCANNERS)))
    assert len([address for address in opened if "/s/" in address]) == 11
    assert mail.unsubscribe_url in opened
    assert await shop.answers(mail) == 0
    still = await visits.open(mail.unsubscribe_url or "")
    await expect(still.get_by_role("button", name=words("en")["unsubscribe"], exact=True)).to_be_visible()


async def test_a_scanner_that_presses_every_button_gives_one_answer_and_no_comment(shop: Shop, visits: Visits) -> None:
    """Pressing the page's button is all that a person does, so such a machine cannot be told from one. This is what it
    can do at most: give the score of the link it followed. It has one answer, as everybody has, and writes nothing."""
    mail = await shop.asked()
    for score in (10, 0):
        page = await visits.open(f"{mail.answer_url}?score={score}")
        for button in ("send", "send_comment"):
            await page.get_by_role("button", name=words("en")[button], exact=True).click()
        await expect(page.locator("button")).to_have_count(0)
    answer = (await shop.case(answer_of(mail), revision=2))["answer"]
    assert (answer["revision"], answer["score"], answer["comment"]) == (2, 0, None)
    assert await shop.answers(mail) == 2


async def test_the_whole_way_by_keyboard(shop: Shop, visits: Visits) -> None:
    mail, comment = await shop.asked(), new_word()
    page = await visits.open(f"{mail.answer_url}?score=9")
    await page.keyboard.press("Tab")
    await expect(page.locator("input[name=score][value='9']")).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    assert await marked(page) == "7"
    await page.keyboard.press("Enter")
    await expect(page.get_by_label(words("en")["follow_up_passive"])).to_be_focused()
    await page.keyboard.type(comment)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text(words("en")["thanks_passive"])).to_be_visible()
    answer = (await shop.case(answer_of(mail), revision=2))["answer"]
    assert (answer["score"], answer["group"], answer["comment"]) == (7, "passive", comment)


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
async def test_a_score_counts_before_the_comment_and_the_comment_is_a_step_of_its_own(
    shop: Shop, visits: Visits, script: bool
) -> None:
    said, mail, comment = words("en"), await shop.asked(), new_word()
    page = await visits.open(f"{mail.answer_url}?score=2", script=script)
    await page.evaluate("window.same = true")
    await expect(page.locator("textarea")).to_have_count(0)
    await page.get_by_role("button", name=said["send"]).click()
    await expect(page.get_by_text(said["kept"].replace("{score}", "2"))).to_be_visible()
    answer = (await shop.case(answer_of(mail)))["answer"]
    assert (answer["score"], answer["comment"]) == (2, None)

    await page.get_by_label(said["follow_up_detractor"]).fill(comment)
    await page.get_by_role("button", name=said["send_comment"], exact=True).click()
    await expect(page.get_by_role("heading", name=said["thanks_detractor"])).to_be_visible()
    await expect(page.locator("form, input, textarea")).to_have_count(0)
    # With JavaScript the steps open in place; without, each is a separate page.
    assert await page.evaluate("window.same === true") is script

    await page.get_by_role("link", name=said["change_answer"]).click()
    await expect(page.get_by_text(said["given_before"].replace("{score}", "2"))).to_be_visible()
    assert await marked(page) == "2"
    # Two answers so far: the score, and the score with a comment.
    assert await shop.answers(mail) == 2


async def test_confirming_without_a_number_asks_for_one(shop: Shop, visits: Visits) -> None:
    mail = await shop.asked()
    page = await visits.open(mail.answer_url)
    await page.get_by_role("button", name=words("en")["send"]).click()
    await expect(page.get_by_role("alert")).to_have_text(words("en")["choose_first"])
    assert await shop.answers(mail) == 0


async def test_nothing_written_is_lost_when_the_connection_fails(shop: Shop, visits: Visits) -> None:
    mail, comment = await shop.asked(), new_word()
    page = await visits.open(f"{mail.answer_url}?score=1")
    await page.get_by_role("button", name=words("en")["send"]).click()
    field = page.locator("textarea")
    await field.fill(comment)
    await page.context.set_offline(True)
    await page.get_by_role("button", name=words("en")["send_comment"], exact=True).click()
    await expect(page.get_by_role("alert")).to_have_text(words("en")["not_saved"])
    await expect(field).to_have_value(comment)
    await page.context.set_offline(False)
    await page.get_by_role("button", name=words("en")["send_comment"], exact=True).click()
    await expect(page.get_by_text(words("en")["thanks_detractor"])).to_be_visible()
    assert (await shop.case(answer_of(mail), revision=2))["answer"]["comment"] == comment


@pytest.mark.parametrize(
    ("locale", "language"),
    [("en-GB", "en"), ("ko-KR", "ko"), ("zh-CN", "zh"), ("zh-TW", "zh-Hant"), ("pt-BR", "pt"), ("no", "nb")],
)
async def test_every_language_fits_the_narrowest_phone(shop: Shop, visits: Visits, locale: str, language: str) -> None:
    """The survey's language, whatever the browser prefers; and no horizontal scrolling at any step."""
    said, mail = words(language), await shop.asked(locale)
    prefers = "nb-NO" if language == "ko" else "ko-KR"
    page = await visits.open(f"{mail.answer_url}?score=9", width=NARROWEST, locale=prefers)

    async def step_is_fine(heading: str) -> None:
        await expect(page.locator("h1")).to_have_text(heading)
        assert await page.get_attribute("html", "lang") == language
        assert await sticking_out(page) == []

    await step_is_fine(said["question_service"])
    await expect(page.locator("#ends")).to_contain_text(said["most_likely"])
    tops = await page.locator(".scores label").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect().top)"
    )
    assert [tops.count(top) for top in sorted(set(tops))] == [6, 5]
    await page.get_by_role("button", name=said["send"]).click()
    await step_is_fine(said["follow_up_promoter"])
    await page.get_by_role("button", name=said["send_comment"], exact=True).click()
    await step_is_fine(said["thanks_promoter"])
    await page.goto(mail.unsubscribe_url or "")
    await step_is_fine(said["unsubscribe_title"])


async def test_the_eleven_numbers_are_one_row_where_there_is_room(shop: Shop, visits: Visits) -> None:
    page = await visits.open((await shop.asked()).answer_url, width=WIDE)
    tops = await page.locator(".scores label").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect().top)"
    )
    assert len(tops) == 11 and len(set(tops)) == 1


async def test_nothing_is_kept_in_the_customers_browser(shop: Shop, visits: Visits) -> None:
    mail, said = await shop.asked(), words("en")
    page = await visits.open(f"{mail.answer_url}?score=10")
    await page.get_by_role("button", name=said["send"]).click()
    await page.get_by_role("button", name=said["send_comment"], exact=True).click()
    await expect(page.get_by_text(said["thanks_promoter"])).to_be_visible()
    await page.goto(mail.unsubscribe_url or "")
    assert await page.context.cookies() == []
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_step_is_readable_with_a_pale_brand(
    shop: Shop, visits: Visits, scheme: Literal["light", "dark"]
) -> None:
    mail, said = await shop.asked(), words("en")
    page = await visits.open(mail.answer_url, color_scheme=scheme)
    assert await page.evaluate(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
    await page.get_by_role("button", name=said["send"]).click()
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await hard_to_read(page) == []
    await page.get_by_role("radio", name="3", exact=True).check()
    assert await hard_to_read(page) == []
    await page.get_by_role("button", name=said["send"]).click()
    await expect(page.locator("textarea")).to_be_visible()
    assert await hard_to_read(page) == []
    await page.get_by_role("button", name=said["send_comment"], exact=True).click()
    await expect(page.get_by_text(said["thanks_detractor"])).to_be_visible()
    assert await hard_to_read(page) == []
