"""The support inbox: reading and handling cases by keyboard, with buttons, without JavaScript, and live."""

import asyncio
import re
from typing import Any, Literal

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.chromium import NARROWEST, PHONE, WIDE, Visits
from tests.browser.measure import hard_to_read, sticking_out
from tests.browser.shop import Shop, answer_of, new_word


async def cases(shop: Shop, count: int = 3) -> tuple[str, list[str]]:
    """New detractor cases: a word in all of their comments, and the answers' ids."""
    word = new_word()
    answers = [await shop.give(number % 7, f"{word} number {number}") for number in range(count)]
    for answer in answers:
        await shop.case(answer)
    return word, answers


async def inbox(shop: Shop, visits: Visits, signed_in: Any, word: str, **how: Any) -> Page:
    page = await visits.open(shop.url("alerter", f"/?search={word}"), storage_state=signed_in, **how)
    await expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    return page


def row(page: Page, words: str) -> Any:
    return page.locator("#rows .row", has_text=words)


async def shown_first(page: Page) -> tuple[str, str]:
    """The ids of the first two cases of the list."""
    found = await page.locator("#rows .row").evaluate_all("(all) => all.map((one) => one.dataset.case)")
    return found[0], found[1]


async def test_keys_go_through_the_list_and_into_a_case(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, _ = await cases(shop)
    page = await inbox(shop, visits, signed_in, word)
    await expect(page.locator("#rows .row")).to_have_count(3)
    first, second = await shown_first(page)
    article = page.locator("article.case")
    await expect(article).to_have_attribute("data-case", first)
    await page.keyboard.press("j")
    await expect(article).to_have_attribute("data-case", second)
    await expect(page.locator(f"#rows .row[data-case='{second}']")).to_be_focused()
    await expect(page).to_have_url(re.compile(f"/cases/{second}"))
    await page.keyboard.press("k")
    await expect(article).to_have_attribute("data-case", first)
    await expect(page.locator(f"#rows .row[data-case='{first}']")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#reading")).to_be_focused()
    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("next, previous case")


async def test_single_keys_can_be_switched_off_and_stay_off(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, (answer, _) = await cases(shop, 2)
    page = await inbox(shop, visits, signed_in, word)
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await page.get_by_role("checkbox", name="Use single keys").uncheck()
    await page.get_by_role("button", name="Done").click()
    await expect(page.locator(".actions kbd").first).to_be_hidden()
    await page.reload()
    first, _ = await shown_first(page)
    for key in ("j", "a", "c", "r", "n", "/", "?"):
        await page.keyboard.press(key)
    await expect(page.locator("article.case")).to_have_attribute("data-case", first)
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.locator(".actions details[open]")).to_have_count(0)
    await expect(page.locator("#search")).not_to_be_focused()
    assert (await shop.case(answer))["status"] == "open"
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    await page.get_by_role("checkbox", name="Use single keys").check()
    await page.get_by_role("button", name="Done").click()
    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()


async def test_a_text_that_is_too_long_is_kept_and_says_by_how_much(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, (answer,) = await cases(shop, 1)
    page = await inbox(shop, visits, signed_in, word)
    await page.keyboard.press("n")
    lines = "\n".join(["x" * 49] * 100) + "\n"
    await page.locator("#note-text").fill(lines + "and more")
    await expect(page.locator("#note-most")).to_have_text("8 characters too many: at most 5,000")
    await page.get_by_role("button", name="Save note").click()
    await expect(page.locator("#note-text")).to_have_value(lines + "and more")
    await page.locator("#note-text").fill(lines)
    await page.get_by_role("button", name="Save note").click()
    await expect(page.locator(".case .history")).to_contain_text("Added a note")
    assert (await shop.case(answer))["sequence"] == 2


async def test_a_case_is_dealt_with_by_keys_alone(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, (answer,) = await cases(shop, 1)
    page = await inbox(shop, visits, signed_in, word)
    await expect(row(page, word)).to_be_visible()
    await page.keyboard.press("a")
    await expect(page.locator(".case .status-line")).to_contain_text("Assigned")
    await page.wait_for_load_state()  # the text appears before the script that handles keys
    assert (await shop.case(answer))["status"] == "assigned"

    await page.keyboard.press("c")
    await expect(page.locator("#contact-text")).to_be_focused()
    await page.keyboard.type("Told her a new one is on its way")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".case .status-line")).to_contain_text("Contacted")
    await page.wait_for_load_state()
    await expect(page.locator(".case .history")).to_contain_text("Told her a new one is on its way")
    assert (await shop.case(answer))["status"] == "contacted"

    await page.keyboard.press("r")
    await expect(page.locator("#close-reason")).to_be_focused()
    await page.keyboard.type("Res")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.locator("#close-text")).to_be_focused()
    await page.keyboard.type("Sent another kettle")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".case .status-line")).to_contain_text("Closed")
    case = await shop.case(answer)
    assert (case["status"], case["closed_reason"]) == ("closed", "resolved")


@pytest.mark.parametrize(
    ("width", "script"),
    [(WIDE, True), (WIDE, False), (PHONE, False)],
    ids=["wide", "wide, no script", "phone, no script"],
)
async def test_a_case_is_dealt_with_by_buttons(
    shop: Shop, visits: Visits, signed_in: Any, width: int, script: bool
) -> None:
    word, (answer, _) = await cases(shop, 2)
    page = await inbox(shop, visits, signed_in, word, width=width, script=script)
    await row(page, f"{word} number 0").click()
    await expect(page.locator("blockquote")).to_have_text(f"{word} number 0")
    await page.get_by_role("button", name="Assign to me").click()
    await expect(page.locator(".case .status-line")).to_contain_text("Assigned")
    await page.locator("#contact > summary").click()
    await page.get_by_label("How", exact=True).select_option(label="Phone")
    await page.get_by_label("What was said").fill("Called, sorry")
    await page.get_by_role("button", name="Log contact").click()
    await expect(page.locator(".case .status-line")).to_contain_text("Contacted")
    await page.locator("#note > summary").click()
    await page.get_by_label("Note", exact=True).fill("Likes blue")
    await page.get_by_role("button", name="Save note").click()
    await expect(page.locator(".case .history")).to_contain_text("Likes blue")
    await page.locator("#close > summary").click()
    await page.get_by_label("Reason").select_option("Resolved")
    await page.get_by_label("Root cause").select_option("Delivered late")
    await page.get_by_role("button", name="Close case").click()
    await expect(page.locator(".case .status-line")).to_contain_text("Closed")
    case = await shop.case(answer)
    assert (case["status"], case["root_cause"]) == ("closed", "Delivered late")
    # A search finds it still, after those that wait; as any list, it can be narrowed to these.
    await page.goto(shop.url("alerter", f"/?search={word}"))
    await expect(page.locator("#rows .row")).to_have_count(2)
    await expect(page.locator("#rows .row").last).to_contain_text("Closed")
    for status, number in (("Closed", 0), ("Waiting", 1)):
        await page.locator("#status").select_option(label=status)
        if not script:
            await page.get_by_role("button", name="Search").click()
        await expect(row(page, f"{word} number {number}")).to_be_visible()
        await expect(page.locator("#rows .row")).to_have_count(1)


async def test_a_new_case_comes_into_the_open_list_by_itself(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, _ = await cases(shop, 1)
    page = await inbox(shop, visits, signed_in, word)
    await expect(page.locator("#rows .row")).to_have_count(1)
    waiting = page.locator("#queues a", has_text="Unhappy").locator(".figures")
    before = int(await waiting.inner_text())
    await page.evaluate("window.same = true")
    await shop.give(2, f"{word} just now")
    await expect(row(page, f"{word} just now")).to_be_visible()
    await expect(row(page, f"{word} just now")).to_contain_text("2 of 10, ", use_inner_text=False)
    await expect(waiting).to_have_text(str(before + 1))
    assert await page.evaluate("window.same === true")


async def test_what_is_being_written_survives_somebody_elses_change(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, (answer,) = await cases(shop, 1)
    page = await inbox(shop, visits, signed_in, word)
    await page.keyboard.press("c")
    await page.keyboard.type("Half a sentence")
    await shop.change(await shop.case(answer), "note", text="from a colleague")
    await expect(page.locator("#case-changed")).to_contain_text("has changed")
    await expect(page.locator("#contact-text")).to_have_value("Half a sentence")
    await page.get_by_role("button", name="Log contact").click()
    await expect(page.get_by_role("alert")).to_contain_text("still there")
    await expect(page.locator("#contact-text")).to_have_value("Half a sentence")
    await expect(page.locator(".case .history")).to_contain_text("from a colleague")
    await page.get_by_role("button", name="Log contact").click()
    await expect(page.locator(".case .status-line")).to_contain_text("Contacted")


# What happens between a question and its answer -----------------------------------------------------------------------


class HeldBack:
    """Responses of the server that reach the page only when they are ``let_through``."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self._through = asyncio.Event()

    async def __call__(self, route: Route) -> None:
        response = await route.fetch()
        self.answered.set()
        await self._through.wait()
        await route.fulfill(response=response)

    def let_through(self) -> None:
        self._through.set()


async def test_a_list_that_was_asked_for_earlier_does_not_move_what_is_chosen_since(
    shop: Shop, visits: Visits, signed_in: Any
) -> None:
    word, _ = await cases(shop)
    page = await inbox(shop, visits, signed_in, word)
    _, second = await shown_first(page)
    await page.evaluate("window.same = true")
    held = HeldBack()
    await page.route("**/parts/list*", held, times=1)
    await held.answered.wait()
    await page.keyboard.press("j")
    await expect(page.locator("article.case")).to_have_attribute("data-case", second)
    await shop.give(2, f"{word} one more")
    async with page.expect_response("**/parts/list*"):
        held.let_through()
    await expect(row(page, f"{word} one more")).to_be_visible()
    chosen = page.locator("#rows .row[aria-current=true]")
    await expect(chosen).to_have_attribute("data-case", second)
    await expect(chosen).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#reading")).to_be_focused()
    assert await page.evaluate("window.same === true")


async def test_a_key_is_for_the_case_that_is_chosen_though_another_is_still_shown(
    shop: Shop, visits: Visits, signed_in: Any
) -> None:
    word, answers = await cases(shop, 2)
    page = await inbox(shop, visits, signed_in, word)
    first, second = await shown_first(page)
    held = HeldBack()
    await page.route(f"**/parts/cases/{second}*", held)
    await page.keyboard.press("j")
    await held.answered.wait()
    await page.keyboard.press("a")
    held.let_through()
    await expect(page.locator(".case .status-line")).to_contain_text("Assigned")
    statuses = {case["case_id"]: case["status"] for case in [await shop.case(answer) for answer in answers]}
    assert statuses == {first: "open", second: "assigned"}


async def test_what_has_the_focus_keeps_it_when_the_list_is_renewed(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, _ = await cases(shop, 1)
    page = await inbox(shop, visits, signed_in, word)
    for focused in (page.locator("#queues a").nth(1), page.locator("#rows .row").first):
        await focused.focus()
        goal = await focused.get_attribute("href")
        mark = new_word()
        await shop.give(1, f"{word} {mark}")
        await expect(row(page, mark)).to_be_visible()
        assert await page.evaluate("document.activeElement.getAttribute('href')") == goal


async def test_what_has_the_focus_in_a_case_keeps_it_when_somebody_else_changes_the_case(
    shop: Shop, visits: Visits, signed_in: Any
) -> None:
    word, (answer,) = await cases(shop, 1)
    page = await inbox(shop, visits, signed_in, word)
    await page.locator("#contact > summary").focus()
    await shop.change(await shop.case(answer), "note", text="from a colleague")
    await expect(page.locator(".case .history")).to_contain_text("from a colleague")
    await expect(page.locator("#contact > summary")).to_be_focused()


async def test_what_was_begun_in_one_case_is_there_when_one_comes_back(
    shop: Shop, visits: Visits, signed_in: Any
) -> None:
    word, _ = await cases(shop, 2)
    page = await inbox(shop, visits, signed_in, word)
    first, second = await shown_first(page)
    await page.keyboard.press("c")
    await page.keyboard.type("Half a sentence")
    await page.locator(f"#rows .row[data-case='{second}']").click()
    await expect(page.locator("article.case")).to_have_attribute("data-case", second)
    await expect(page.locator("#contact-text")).to_have_value("")
    await page.locator(f"#rows .row[data-case='{first}']").click()
    await expect(page.locator("#contact-text")).to_have_value("Half a sentence")


async def test_an_inbox_that_hears_nothing_says_so_and_keeps_the_list(
    shop: Shop, visits: Visits, signed_in: Any
) -> None:
    word, _ = await cases(shop, 2)
    page = await inbox(shop, visits, signed_in, word)
    await page.route("**/parts/**", lambda route: route.abort())
    await expect(page.locator("#connection")).to_contain_text("Not up to date")
    await page.keyboard.press("j")
    await expect(page.get_by_role("alert")).to_contain_text("cannot be shown")
    await expect(page.locator("#rows .row")).to_have_count(2)
    await page.unroute("**/parts/**")
    await expect(page.locator("#connection")).to_be_empty()


async def test_who_is_signed_out_while_writing_keeps_it(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, _ = await cases(shop, 1)
    page = await inbox(shop, visits, signed_in, word)
    await page.keyboard.press("c")
    await page.keyboard.type("Half a sentence")
    await page.context.clear_cookies()
    await expect(page.locator("#connection")).to_contain_text("signed out")
    await expect(page.locator("#contact-text")).to_have_value("Half a sentence")
    await page.locator("#contact-text").fill("")
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(re.compile("/sign-in"))


async def test_a_case_shows_an_unhappy_customers_order_and_words(shop: Shop, visits: Visits, signed_in: Any) -> None:
    mail, word = await shop.asked(), new_word()
    await shop.visitor.answer(mail.answer_url, 1, comment=f"{word}: the kettle leaks")
    case = await shop.case(answer_of(mail))
    page = await visits.open(shop.url("alerter", f"/cases/{case['case_id']}"), storage_state=signed_in)
    told = page.locator("article.case")
    await expect(told).to_contain_text("Tea kettle")
    await expect(told).to_contain_text("€74.50")
    await expect(told.locator("blockquote")).to_have_text(f"{word}: the kettle leaks")
    await expect(told.get_by_role("link", name=mail.to, exact=True)).to_have_attribute("href", f"mailto:{mail.to}")
    await expect(told.locator("h3")).to_have_text(
        ["What they bought", "What was asked", "What they said", "What we did", "Customer"]
    )


async def test_on_a_phone_the_case_is_behind_the_list(shop: Shop, visits: Visits, signed_in: Any) -> None:
    word, _ = await cases(shop, 2)
    page = await inbox(shop, visits, signed_in, word, width=NARROWEST)
    await expect(page.locator("article.case")).to_be_hidden()
    assert await sticking_out(page) == []
    await row(page, f"{word} number 1").click()
    await expect(page.locator("blockquote")).to_have_text(f"{word} number 1")
    await expect(page.locator("#rows")).to_be_hidden()
    for summary in await page.locator(".actions summary").all():
        await summary.click()
        assert await sticking_out(page) == []
    await page.get_by_role("link", name="Back to the list").click()
    await expect(page.locator("#rows .row")).to_have_count(2)
    await expect(page.locator("#search")).to_have_value(word)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_readable_with_a_pale_brand(
    shop: Shop, visits: Visits, signed_in: Any, scheme: Literal["light", "dark"]
) -> None:
    word, _ = await cases(shop, 2)
    page = await inbox(shop, visits, signed_in, word, color_scheme=scheme)
    assert await hard_to_read(page) == []
    await page.locator("#contact > summary").click()
    assert await hard_to_read(page) == []
    empty = await inbox(shop, visits, signed_in, new_word(), color_scheme=scheme)
    await expect(empty.locator("#rows")).to_contain_text("No matching cases")
    assert await hard_to_read(empty) == []
