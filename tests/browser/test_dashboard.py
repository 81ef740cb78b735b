"""The dashboard as a shop's staff see it: the score, whether it changes, where, and all of it live."""

import asyncio
import csv
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from shared.nps import rounded
from tests.browser.chromium import NARROWEST, PHONE, Visits
from tests.browser.measure import hard_to_read, sticking_out
from tests.browser.shop import Shop, new_word
from tests.kit.eventually import eventually

SCORES = (10, 9, 3, 10, 8, 9, 6, 10, 7, 9, 2, 10)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def region(shop: Shop) -> str:
    """A region with 36 answers over nine weeks, from three tiers; the newest is from today."""
    name, now = new_word(), datetime.now(UTC)
    given = (
        shop.give(
            SCORES[number % 12],
            f"comment {number} of {name}" if number % 6 == 0 else None,
            answered_at=now - timedelta(days=number * 1.75),
            segments={"region": name, "tier": f"{name} {('gold', 'silver', 'bronze')[number % 3]}"},
        )
        for number in range(36)
    )
    await asyncio.gather(*given)
    await shop.counted(f"region:{name}", 36)
    return name


async def dashboard(shop: Shop, visits: Visits, signed_in: Any, query: str = "", **how: Any) -> Page:
    return await visits.open(shop.url("scorer", f"/?{query}"), storage_state=signed_in, **how)


async def is_drawn(page: Page) -> None:
    await expect(page.locator("#trend-chart .plot")).to_be_visible()
    await expect(page.locator("#segments-chart .plot .dot").first).to_be_visible()


# Getting in -----------------------------------------------------------------------------------------------------------


async def test_a_link_with_the_key_signs_in_whoever_agrees_and_leaves_no_trace_of_it(
    shop: Shop, visits: Visits
) -> None:
    page = await visits.open(shop.url("scorer", f"/sign-in?next=/%3Fwindow%3D90d#key={shop.stack.api_key}"))
    await expect(page.get_by_text("The link you followed brought this key.")).to_be_visible()
    assert await page.context.cookies() == [], "a link alone must not sign anybody in"
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_selector("#dashboard")
    assert page.url == shop.url("scorer", "/?window=90d")
    assert shop.stack.api_key not in await page.content()
    (session,) = await page.context.cookies()
    assert session.get("httpOnly") and shop.stack.api_key not in str(session)


async def test_the_key_is_out_of_the_address_before_anything_is_sent(shop: Shop, visits: Visits) -> None:
    page = await visits.blank()

    async def unanswered(route: Route) -> None:
        await (route.fulfill(status=204) if route.request.method == "POST" else route.continue_())

    await page.route("**/sign-in*", unanswered)
    # The answer without content keeps the page where it is, and from ever being called loaded.
    await page.goto(shop.url("scorer", f"/sign-in#key={shop.stack.api_key}"), wait_until="commit")
    await expect(page.get_by_label("API key")).to_have_value(shop.stack.api_key)
    assert page.url == shop.url("scorer", "/sign-in")


async def test_a_stranger_is_asked_for_a_key_and_led_on_to_where_they_wanted(shop: Shop, visits: Visits) -> None:
    page = await visits.open(shop.url("scorer", "/?window=365d"), script=False, width=NARROWEST)
    await expect(page).to_have_url(re.compile("/sign-in"))
    assert await sticking_out(page) == [] and await hard_to_read(page) == []
    await page.get_by_label("API key").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("Unknown API key")
    await page.get_by_label("API key").fill(shop.stack.api_key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(shop.url("scorer", "/?window=365d"))
    await page.get_by_role("button", name="Sign out").click()
    await page.goto(shop.url("scorer"))
    await expect(page).to_have_url(re.compile("/sign-in"))


# How are we doing? ----------------------------------------------------------------------------------------------------


async def test_the_score_stands_there_with_its_margin_and_its_answers(
    shop: Shop, visits: Visits, signed_in: Any, region: str
) -> None:
    served = await shop.counted(f"region:{region}", 36)
    page = await dashboard(shop, visits, signed_in, f"window=all&segment=region:{region}", script=False)
    shown = page.locator("#score .figure")
    points = {name: f"{rounded(served[name]):.0f}".replace("-", "−") for name in ("nps", "low", "high")}
    await expect(shown.locator(".nps")).to_have_text(points["nps"])
    # Of 36 answers the interval is lopsided, and ± would be wrong.
    await expect(shown.locator(".margin")).to_have_text(f"{points['low']} to {points['high']}")
    await expect(shown).to_contain_text("36 answers")
    await expect(page.locator("#score .groups li")).to_have_count(3)


async def test_a_new_answer_moves_the_score_without_reloading(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here, comment = new_word(), new_word()
    await asyncio.gather(*(shop.give(10, segments={"region": here}) for _ in range(3)))
    await shop.counted(f"region:{here}", 3)
    page = await dashboard(shop, visits, signed_in, f"window=30d&segment=region:{here}")
    await expect(page.locator("#live")).to_contain_text("Live")
    await expect(page.locator("#score .nps")).to_have_text("100")
    await page.evaluate("window.same = true")
    await page.locator("details.numbers summary").first.click()

    await shop.give(0, comment, segments={"region": here})
    await expect(page.locator("#score .nps")).to_have_text("50")
    await expect(page.locator("#score .figure")).to_contain_text("4 answers")
    await expect(page.locator("#comments")).to_contain_text(comment)
    await expect(page).to_have_title(re.compile("^50 "))
    assert await page.evaluate("window.same === true")
    await expect(page.locator("#trend-table")).to_be_visible()
    await expect(page.locator("#trend-table tbody tr").first.locator("td").first).to_have_text("50")


async def test_the_first_answer_of_all_appears_by_itself(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here = new_word()
    page = await dashboard(shop, visits, signed_in, f"window=30d&segment=region:{here}")
    await expect(page.locator("#nothing")).to_contain_text("No answers here yet")
    await expect(page.locator("#live")).to_contain_text("Live")
    await shop.give(9, segments={"region": here})
    await expect(page.locator("#score .figure")).to_contain_text("1 answer")


HIDE, SHOW = (
    f"Object.defineProperty(document, 'hidden', {{configurable: true, get: () => {hidden}}});"
    "document.dispatchEvent(new Event('visibilitychange'))"
    for hidden in ("true", "false")
)
"""What switching to another tab and back does to a page; a headless browser takes all of its pages for visible."""


# When the line is bad -------------------------------------------------------------------------------------------------


async def test_a_stream_that_was_refused_is_asked_for_again(shop: Shop, visits: Visits, signed_in: Any) -> None:
    page = await visits.blank(storage_state=signed_in)
    await page.clock.install()
    await page.route("**/v1/stream*", lambda route: route.fulfill(status=503))
    await page.goto(shop.url("scorer"))
    await expect(page.locator("#live")).to_contain_text("no live connection")
    await page.unroute("**/v1/stream*")
    await page.clock.fast_forward("01:00")
    await expect(page.locator("#live")).to_contain_text("Live")


async def test_a_hidden_tab_does_not_ask_for_its_stream_again(shop: Shop, visits: Visits, signed_in: Any) -> None:
    asked = []

    async def refused(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(status=503)

    page = await visits.blank(storage_state=signed_in)
    await page.clock.install()
    await page.route("**/v1/stream*", refused)
    await page.goto(shop.url("scorer"))
    await expect(page.locator("#live")).to_contain_text("no live connection")
    assert len(asked) == 1
    await page.evaluate(HIDE)
    await page.clock.fast_forward("01:00")
    await page.evaluate("fetch('/robots.txt')")
    assert len(asked) == 1
    await page.unroute("**/v1/stream*")
    await page.evaluate(SHOW)
    await expect(page.locator("#live")).to_contain_text("Live")


async def test_what_could_not_be_fetched_is_fetched_later(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here = new_word()
    await shop.give(10, segments={"region": here})
    await shop.counted(f"region:{here}", 1)
    page = await dashboard(shop, visits, signed_in, f"segment=region:{here}")
    await expect(page.locator("#live")).to_contain_text("Live")
    await page.route("**/parts?*", lambda route: route.fulfill(status=503))
    await shop.give(0, segments={"region": here})
    await expect(page.locator("#live")).to_contain_text("not responding")
    await expect(page.locator("#score .figure")).to_contain_text("1 answer")
    await page.unroute("**/parts?*")
    await expect(page.locator("#score .figure")).to_contain_text("2 answers")
    await expect(page.locator("#live")).to_contain_text("Live")


async def test_a_comment_that_moves_no_score_appears_in_time(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here, mail = new_word(), await shop.asked()
    first = await shop.visitor.answer(mail.answer_url, 9)
    await shop.case(first.answer_id)
    page = await visits.blank(storage_state=signed_in)
    await page.clock.install()
    await page.goto(shop.url("scorer"))
    await expect(page.locator("#live")).to_contain_text("Live")
    await shop.visitor.answer(mail.answer_url, 9, comment=f"said later: {here}")
    await shop.case(first.answer_id, revision=2)

    async def later() -> bool:
        await page.clock.fast_forward("01:30")
        return here in await page.locator("#comments").inner_text()

    await eventually(later, "the comment")


async def test_who_was_signed_out_is_led_to_the_sign_in(shop: Shop, visits: Visits, signed_in: Any) -> None:
    page = await visits.blank(storage_state=signed_in)
    await page.clock.install()
    await page.goto(shop.url("scorer", "/?window=90d"))
    await expect(page.locator("#live")).to_contain_text("Live")
    await page.context.clear_cookies()
    await page.clock.fast_forward("01:30")
    await expect(page).to_have_url(re.compile("/sign-in.next=.*90d"))


async def test_a_long_comment_unfolds_and_stays_so(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here, end, second = new_word(), new_word(), new_word()
    await shop.give(9, f"{'so many words ' * 60}{end}", segments={"region": here})
    await shop.counted(f"region:{here}", 1)
    page = await dashboard(shop, visits, signed_in, f"segment=region:{here}")
    await expect(page.locator("#live")).to_contain_text("Live")
    await expect(page.get_by_text(end)).to_be_hidden()
    await page.get_by_text("Read the whole comment").click()
    await page.evaluate("document.activeElement.blur()")
    await shop.give(9, second, segments={"region": here})
    await expect(page.locator("#comments")).to_contain_text(second)
    await expect(page.get_by_text(end)).to_be_visible()


async def test_what_somebody_marks_stays_marked(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here, first, second = new_word(), new_word(), new_word()
    await shop.give(9, first, segments={"region": here})
    await shop.counted(f"region:{here}", 1)
    page = await dashboard(shop, visits, signed_in, f"segment=region:{here}")
    await expect(page.locator("#live")).to_contain_text("Live")
    await page.get_by_text(first).select_text()
    await shop.give(9, second, segments={"region": here})
    await expect(page.locator("#score .figure")).to_contain_text("2 answers")
    assert first in await page.evaluate("String(getSelection())")


async def test_a_seventh_tab_opens_and_who_comes_back_to_a_tab_sees_what_came_meanwhile(
    shop: Shop, visits: Visits, signed_in: Any
) -> None:
    """Chromium's six connections to one server are for all tabs together."""
    here = new_word()
    await shop.give(10, segments={"region": here})
    await shop.counted(f"region:{here}", 1)
    address = shop.url("scorer", f"/?segment=region:{here}")
    first = await visits.blank(storage_state=signed_in)
    await first.goto(address)
    tabs = [first]
    for number in range(7):
        await expect(tabs[-1].locator("#live"), f"tab {number + 1}").to_contain_text("Live")
        async with tabs[-1].expect_event("requestfailed", lambda request: "/v1/stream" in request.url):
            await tabs[-1].evaluate(HIDE)
        tabs.append(await first.context.new_page())
        await tabs[-1].goto(address)
    await expect(tabs[-1].locator("#live")).to_contain_text("Live")
    await shop.give(0, segments={"region": here})
    await expect(tabs[-1].locator("#score .figure")).to_contain_text("2 answers")
    await first.evaluate(SHOW)
    await expect(first.locator("#score .figure")).to_contain_text("2 answers")
    await expect(first.locator("#live")).to_contain_text("Live")
    await shop.give(0, segments={"region": here})
    await expect(first.locator("#score .figure")).to_contain_text("3 answers")


async def test_being_live_is_announced_once(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here = new_word()
    await shop.give(10, segments={"region": here})
    await shop.counted(f"region:{here}", 1)
    page = await dashboard(shop, visits, signed_in, f"segment=region:{here}")
    await expect(page.locator("#live")).to_contain_text("Live")
    await page.evaluate(
        """window.announced = 0;
        new MutationObserver((changes) => { announced += changes.length; }).observe(
          document.getElementById("live"), { childList: true, characterData: true, subtree: true })"""
    )
    await shop.give(0, segments={"region": here})
    await expect(page.locator("#score .figure")).to_contain_text("2 answers")
    await shop.give(0, segments={"region": here})
    await expect(page.locator("#score .figure")).to_contain_text("3 answers")
    assert await page.evaluate("announced") == 0


async def test_a_comment_leads_to_its_case(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here, comment = new_word(), new_word()
    given = await shop.give(2, comment, segments={"region": here})
    await shop.counted(f"region:{here}", 1)
    await shop.case(given)
    page = await dashboard(shop, visits, signed_in, f"segment=region:{here}")
    await page.get_by_role("link", name="Open the case").click()
    await expect(page.locator("body")).to_contain_text(comment)
    assert page.url.startswith(shop.url("alerter", "/cases/"))


# Charts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
async def test_both_charts_are_drawn(shop: Shop, visits: Visits, signed_in: Any, region: str, script: bool) -> None:
    query = f"window=30d&segment=region:{region}&by=tier"
    page = await dashboard(shop, visits, signed_in, query, script=script)
    await is_drawn(page)
    for shape in ("line", "band"):
        box = await page.locator(f"#trend-chart .{shape}").bounding_box()
        assert box is not None and box["width"] > 300 and box["height"] > 10, shape
    await expect(page.locator("#segments-chart .plot .dot")).to_have_count(3)
    names = await page.locator("#segments-chart .names li").all_text_contents()
    assert sorted(names) == sorted(f"{region} {tier}" for tier in ("gold", "silver", "bronze"))


async def test_who_points_at_a_chart_is_told_what_is_there(
    shop: Shop, visits: Visits, signed_in: Any, region: str
) -> None:
    page = await dashboard(shop, visits, signed_in, f"window=30d&segment=region:{region}&by=tier")
    tip = page.locator(".tip")
    row = page.locator("#trend-table tbody tr")
    places: tuple[tuple[Literal["left", "right"], Locator], ...] = (("right", row.first), ("left", row.last))
    for place, cells in places:
        await point_at(page, "#trend-chart .plot", place)
        nps = await cells.locator("td").first.text_content()
        await expect(tip).to_contain_text(f": NPS {nps} (")
        assert await sticking_out(page) == []
    await point_at(page, "#segments-chart .plot", "left")
    await expect(tip).to_contain_text(re.compile(rf"^{region} \w+: NPS .* answers$"))
    await page.mouse.move(0, 0)
    await expect(tip).to_be_hidden()


async def point_at(page: Page, chart: str, place: Literal["left", "right"]) -> None:
    await page.locator(chart).scroll_into_view_if_needed()
    box = await page.locator(chart).bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + (1 if place == "left" else box["width"] - 1), box["y"] + box["height"] / 2)


async def test_the_numbers_are_a_click_away_and_can_be_taken_along(
    shop: Shop, visits: Visits, signed_in: Any, region: str
) -> None:
    page = await dashboard(shop, visits, signed_in, f"window=all&segment=region:{region}&by=tier")
    table = page.locator("#segments-table")
    await expect(table).to_be_hidden()
    await page.locator(".where summary").click()
    await expect(table.locator("tbody tr")).to_have_count(3)
    shown = await table.locator("tbody tr").first.locator("th, td").all_inner_texts()
    async with page.expect_download() as downloading:
        await page.locator("[data-download=segments-table]").click()
    file = await (await downloading.value).path()
    rows = list(csv.reader((await asyncio.to_thread(file.read_text)).splitlines()))
    assert rows[0][:2] == ["Tier", "NPS"] and len(rows) == 4
    assert rows[1] == [cell.replace("−", "-") for cell in shown]
    await page.locator(".where summary").click()
    await expect(table).to_be_hidden()


# Filters --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
async def test_filters_are_chips_and_stand_in_the_address(
    shop: Shop, visits: Visits, signed_in: Any, region: str, script: bool
) -> None:
    page = await dashboard(shop, visits, signed_in, script=script)
    windows = page.get_by_role("group", name="Window")
    await windows.get_by_role("link", name="90 days").click()
    await expect(page).to_have_url(re.compile(r"[?&]window=90d"))
    await expect(windows.locator("[aria-current=true]")).to_have_text("90 days")
    await page.get_by_role("combobox", name=re.compile("^Segment")).fill(f"region:{region}")
    await page.get_by_role("button", name="Filter").click()
    await expect(page).to_have_url(re.compile(rf"window=90d.*segment=region%3A{region}"))
    await expect(page.locator("#score .figure")).to_contain_text("36 answers")
    await expect(page.locator("#comments")).to_contain_text(f"of {region}")
    await page.get_by_role("group", name="Compare by").get_by_role("link", name="tier").click()
    await expect(page).to_have_url(re.compile("by=tier"))
    await page.locator(".where summary").click()
    await page.get_by_role("link", name=f"{region} gold").click()
    await expect(page.locator("#score .figure")).to_contain_text("12 answers")
    for _ in range(2):
        await page.get_by_role("link", name=re.compile("remove this filter")).first.click()
    await expect(page.locator(".chip.chosen")).to_have_count(0)
    assert "segment=" not in page.url and "window=90d" in page.url


async def test_a_filter_nobody_fits_leads_back(shop: Shop, visits: Visits, signed_in: Any, region: str) -> None:
    page = await dashboard(shop, visits, signed_in, "segment=region:nowhere")
    await page.get_by_role("link", name="Show everyone").click()
    await expect(page.locator("#score .figure")).to_contain_text("answers")
    bad = await dashboard(shop, visits, signed_in, "segment=nonsense")
    await expect(bad.get_by_role("alert")).to_contain_text("nonsense")


async def test_the_band_is_not_drawn_across_days_without_answers(shop: Shop, visits: Visits, signed_in: Any) -> None:
    """Two weeks apart, with windows of seven days: in between nothing is known."""
    here, now = new_word(), datetime.now(UTC)
    for number in range(12):
        ago = timedelta(days=25 if number % 2 else 0)
        await shop.give(SCORES[number], answered_at=now - ago, segments={"region": here})
    await shop.counted(f"region:{here}", 12)
    page = await dashboard(shop, visits, signed_in, f"window=7d&segment=region:{here}&by=region")
    await is_drawn(page)
    band = await page.locator("#trend-chart .band").get_attribute("d")
    days = await page.locator("#trend-table tbody tr").count()
    assert band is not None
    for piece in band.split("M")[1:]:
        across = [int(place) for place in re.findall(r"(\d+),", piece)]
        assert (max(across) - min(across)) / 1_000 * (days - 1) < 7


async def test_the_charts_round_as_the_page_does(shop: Shop, visits: Visits, signed_in: Any) -> None:
    """An NPS of −2.5 is −3 wherever it stands."""
    here = new_word()
    await asyncio.gather(*(shop.give(8 if number else 0, segments={"region": here}) for number in range(40)))
    await shop.counted(f"region:{here}", 40)
    page = await dashboard(shop, visits, signed_in, f"window=7d&segment=region:{here}&by=region")
    await is_drawn(page)
    await expect(page.locator("#score .nps")).to_have_text("−3")
    for chart in ("trend-chart", "segments-chart"):
        await point_at(page, f"#{chart} .plot", "right")
        await expect(page.locator(f"#{chart} .tip")).to_contain_text(": NPS −3 (")


async def test_with_one_answer_the_axis_shows_days(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here = new_word()
    await shop.give(9, segments={"region": here})
    await shop.counted(f"region:{here}", 1)
    page = await dashboard(shop, visits, signed_in, f"window=30d&segment=region:{here}&by=region")
    await is_drawn(page)
    ticks = await page.locator("#trend-chart .days text").all_text_contents()
    assert 1 <= len(ticks) <= 3
    assert all(re.fullmatch(r"\d{1,2} [A-Z][a-z]{2} \d{4}", tick) for tick in ticks), ticks


async def test_a_long_list_of_values_comes_in_pages_and_can_be_searched(
    shop: Shop, visits: Visits, signed_in: Any
) -> None:
    here, town = new_word(), new_word()
    await asyncio.gather(
        *(shop.give(9, segments={"region": here, "town": f"{town} {number:02}"}) for number in range(60))
    )
    await shop.counted(f"region:{here}", 60)
    page = await dashboard(shop, visits, signed_in, f"segment=region:{here}&by=town", script=False)
    rows = page.locator("#segments-table tbody tr")
    await expect(rows).to_have_count(50)
    await page.locator(".where summary").click()
    await expect(page.locator("#segments-pages")).to_contain_text("1–50 of 60")
    await page.get_by_role("link", name="Next").click()
    await expect(rows).to_have_count(10)
    await expect(page.locator("#segments-table")).to_be_visible()
    await page.get_by_role("searchbox").fill(f"{town.upper()} 4")
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("#segments-pages")).to_contain_text("1–10 of 10 that contain")
    await page.get_by_role("link", name="Show all").click()
    await expect(page.locator("#segments-pages")).to_contain_text("1–50 of 60")


async def test_segments_are_suggested_while_one_types(shop: Shop, visits: Visits, signed_in: Any, region: str) -> None:
    page = await dashboard(shop, visits, signed_in)
    await page.get_by_role("combobox", name=re.compile("^Segment")).press_sequentially(region[:8].upper())
    await expect(page.locator(f"#known-segments option[value='region:{region}']")).to_be_attached()


async def test_suggestions_that_come_late_replace_no_newer_ones(
    shop: Shop, visits: Visits, signed_in: Any, region: str
) -> None:
    page = await dashboard(shop, visits, signed_in)
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        asked.set()
        await may_answer.wait()
        await route.fulfill(json=["region:of an earlier text"])

    await page.route("**/parts/segments?find=earlier", late)
    field = page.get_by_role("combobox", name=re.compile("^Segment"))
    await field.fill("earlier")
    await asyncio.wait_for(asked.wait(), 10)
    await field.fill(region[:8])
    wanted = page.locator(f"#known-segments option[value='region:{region}']")
    await expect(wanted).to_be_attached()
    async with page.expect_request_finished(lambda request: request.url.endswith("find=earlier")):
        may_answer.set()
    await page.evaluate("() => fetch('/healthz').then((response) => response.text())")
    assert await wanted.count() == 1


# For everybody's eyes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [NARROWEST, PHONE])
async def test_it_fits_a_phone_with_the_tables_open(
    shop: Shop, visits: Visits, signed_in: Any, region: str, width: int
) -> None:
    page = await dashboard(shop, visits, signed_in, f"window=90d&segment=region:{region}&by=tier", width=width)
    await is_drawn(page)
    for summary in await page.locator("details.numbers summary").all():
        await summary.click()
    assert await sticking_out(page) == []


async def test_a_segment_with_a_long_name_fits_a_phone(shop: Shop, visits: Visits, signed_in: Any) -> None:
    here = f"{new_word()}{'x' * 89}"
    await shop.give(10, segments={"region": here})
    await shop.counted(f"region:{here}", 1)
    page = await dashboard(shop, visits, signed_in, f"window=all&segment=region:{here}&by=region", width=NARROWEST)
    await is_drawn(page)
    assert await sticking_out(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_too_few_to_speak_of_is_still_readable(
    shop: Shop, visits: Visits, signed_in: Any, scheme: Literal["light", "dark"]
) -> None:
    here = new_word()
    await asyncio.gather(*(shop.give(5, segments={"region": here, "tier": f"{here} gold"}) for _ in range(2)))
    await shop.counted(f"region:{here}", 2)
    page = await dashboard(shop, visits, signed_in, f"segment=region:{here}&by=tier", color_scheme=scheme)
    await is_drawn(page)
    for summary in await page.locator("details.numbers summary").all():
        await summary.click()
    await expect(page.locator("#score")).to_contain_text("too few to be meaningful")
    assert await hard_to_read(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_readable_with_a_pale_brand(
    shop: Shop, visits: Visits, signed_in: Any, region: str, scheme: Literal["light", "dark"]
) -> None:
    query = f"window=90d&segment=region:{region}&by=tier"
    page = await dashboard(shop, visits, signed_in, query, color_scheme=scheme)
    await is_drawn(page)
    for summary in await page.locator("details.numbers summary").all():
        await summary.click()
    assert await hard_to_read(page) == []
