"""The inbox as a browser without script sees it."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from shared.contracts import identity, orders, sends
from tests.integration.alerter.kit import READ_KEY, WRITE_KEY, Alerter
from tests.unit.alerter.examples import answer, erased, order, send

CASE = identity.case_id("a-1")
UNTRUSTED = '<script>alert(1)</script> & "quoted"'


@pytest_asyncio.fixture(loop_scope="session")
async def browser(alerter: Alerter) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=alerter.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://alerter", follow_redirects=True) as opened:
        await opened.post("/sign-in", data={"key": WRITE_KEY})
        yield opened


async def test_strangers_are_led_to_the_sign_in_and_readers_cannot_change(alerter: Alerter) -> None:
    await alerter.hear(answer(3, comment="Secret"))
    transport = httpx.ASGITransport(app=alerter.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://alerter") as stranger:
        for path in ("/", f"/cases/{CASE}", "/parts/list", f"/parts/cases/{CASE}"):
            response = await stranger.get(path)
            assert response.status_code == 303 and response.headers["location"].startswith("/sign-in?next=")
            assert "Secret" not in response.text
        await stranger.post("/sign-in", data={"key": READ_KEY})
        page = (await stranger.get(f"/cases/{CASE}")).text
        assert "Secret" in page and 'class="actions"' not in page
        assert (await stranger.post(f"/cases/{CASE}/assign", data={"sequence": 1})).status_code == 403
    assert len(await alerter.published()) == 1


async def test_another_sites_form_changes_nothing(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.hear(answer(3))
    response = await browser.post(
        f"/cases/{CASE}/assign", data={"sequence": 1}, headers={"Sec-Fetch-Site": "cross-site"}, follow_redirects=False
    )
    assert (
        response.status_code in (303, 401, 403) and "/cases/" not in response.headers.get("location", "").split("?")[0]
    )
    assert len(await alerter.published()) == 1


async def test_a_case_reads_like_a_story(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.take("orders", (orders.PLACED, order()))
    await alerter.take("surveys.sends", (sends.SENT, send()))
    await alerter.hear(answer(3, customer_id="c-42", order_id="1001", send_id="s-1", comment=UNTRUSTED))
    page = await browser.get(f"/cases/{CASE}")
    assert page.status_code == 200
    told = ["What they bought", "Wooden train", "What was asked", "What they said", "&lt;script&gt;", "What we did"]
    assert [words for words in told if words in page.text] == told
    assert sorted(told, key=page.text.rindex) == told
    assert "<script>alert" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert re.search(r'<time datetime="[^"]+Z?[^"]*" title="[^"]+\(.+\)">', page.text)


async def test_the_next_sensible_action_is_the_first_button(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    async def first_button() -> str:
        actions = (await browser.get(f"/cases/{CASE}")).text.split('class="actions"')[1]
        found = re.search(r'class="(?:button )?main">\s*([^<]+?)\s*<kbd', actions)
        assert found is not None
        assert actions.index(found.group()) < min(actions.index(other) for other in ("Note <kbd",))
        return found.group(1)

    await alerter.hear(answer(3))
    assert await first_button() == "Assign to me"
    await browser.post(f"/cases/{CASE}/assign", data={"sequence": 1})
    assert await first_button() == "Contact"
    await browser.post(f"/cases/{CASE}/contact", data={"sequence": 2, "way": "phone"})
    assert await first_button() == "Resolve"
    page = await browser.post(
        f"/cases/{CASE}/close", data={"sequence": 3, "reason": "resolved", "text": "Sent another"}
    )
    assert page.status_code == 200 and "Sent another" in page.text and "Put right".lower() in page.text
    assert await first_button() == "Reopen"


async def test_what_was_typed_is_kept_when_somebody_was_faster(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.hear(answer(3))
    await alerter.staff.assign(CASE, 1, "noor", "noor")
    page = await browser.post(
        f"/cases/{CASE}/contact", data={"sequence": 1, "way": "phone", "text": "I called & wrote"}
    )
    assert page.status_code == 409
    assert "Somebody changed this case" in page.text and "I called &amp; wrote</textarea>" in page.text
    assert '<option value="phone" selected>' in page.text and 'id="contact" open' in page.text
    assert (await alerter.staff.story(CASE)).case.status == "assigned"


async def test_lists_empty_erased_and_unknown_have_their_words(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    assert "Nobody is waiting here" in (await browser.get("/")).text
    assert "No case fits" in (await browser.get("/?search=zebra")).text
    unknown = await browser.get("/cases/nothing")
    assert unknown.status_code == 404 and "There is no such case" in unknown.text
    await alerter.hear(answer(3, comment="Secret"))
    assert "Secret" in (await browser.get("/")).text
    await alerter.hear(erased())
    page = await browser.get(f"/cases/{CASE}")
    assert page.status_code == 200 and "asked to be forgotten" in page.text and "Secret" not in page.text
    assert (await browser.get("/?cursor=nonsense")).status_code == 422


async def test_pages_and_filters_stay_in_the_address(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.hear(*(answer(9, answer_id=f"a-{number}", comment=f"words {number}") for number in range(60)))
    first = await browser.get("/", params={"queue": "promoters", "search": "words"})
    following = re.search(r'href="([^"]+)">Next page', first.text)
    assert following is not None
    address = following.group(1).replace("&amp;", "&")
    assert "queue=promoters" in address and "search=words" in address
    second = await browser.get(address)
    shown = [
        set(re.findall(r'data-case="([^"]+)"\s+data-sequence="\d+"[^<]*>\s*<span', page.text))
        for page in (first, second)
    ]
    assert [len(cases) for cases in shown] == [50, 10] and not shown[0] & shown[1]
    part = await browser.get(address.replace("/?", "/parts/list?"))
    assert part.text.lstrip().startswith("<nav") and "<html" not in part.text
