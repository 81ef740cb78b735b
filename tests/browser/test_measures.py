"""The measurements used by the other tests find what they should."""

from tests.browser.chromium import NARROWEST, Visits
from tests.browser.measure import hard_to_read, sticking_out


async def test_grey_on_white_is_told_from_a_grey_one_shade_paler(visits: Visits) -> None:
    page = await visits.blank()
    await page.set_content("<p style='color: #767676'>readable</p><p style='color: #777777'>too pale</p>")
    assert await hard_to_read(page) == ["'too pale': #777777 on #ffffff is 4.48, 16 px"]


async def test_a_text_of_sixteen_pixels_is_told_from_one_a_hair_smaller(visits: Visits) -> None:
    page = await visits.blank()
    await page.set_content("<p style='font-size: 16px'>readable</p><p style='font-size: 15.9px'>too small</p>")
    assert await hard_to_read(page) == ["'too small': #000000 on #ffffff is 21.00, 15.9 px"]


async def test_translucent_grounds_and_opacity_are_laid_over_what_is_below(visits: Visits) -> None:
    page = await visits.blank()
    await page.set_content(
        "<div style='background: #000'><p style='background: rgb(255 255 255 / 50%); color: #fff'>on grey</p></div>"
        "<p style='opacity: 0.5; color: color-mix(in srgb, black 100%, white)'>half gone</p>"
        "<svg><text y='20' style='fill: #ccc'>drawn</text></svg>"
        "<input style='font-size: 16px' placeholder='say' value=''>"
    )
    hard = await hard_to_read(page)
    assert [line.split("'")[1] for line in hard] == ["on grey", "half gone", "drawn"]


async def test_what_sticks_out_is_named_and_what_scrolls_in_its_box_is_not(visits: Visits) -> None:
    page = await visits.blank(width=NARROWEST)
    await page.set_content("<div style='overflow-x: auto'><p style='inline-size: 40rem'>in a box</p></div>")
    assert await sticking_out(page) == []
    await page.set_content("<p id='wide' style='inline-size: 40rem'>out of the window</p>")
    assert len(await sticking_out(page)) == 1


async def test_a_stranger_is_noticed(visits: Visits) -> None:
    page = await visits.blank()
    await page.route("http://*.example/*", lambda route: route.abort())
    await page.set_content("<img src='http://cdn.example/a.png'>")
    await page.evaluate("document.images[0].decode().catch(() => {})")
    assert [line.split()[-1] for line in visits.strangers] == ["http://cdn.example/a.png"]
    visits.strangers.clear()
