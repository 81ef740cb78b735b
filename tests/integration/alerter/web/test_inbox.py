"""The inbox in a browser without JavaScript."""

import re

import httpx

from services.alerter.actions import cases as actions
from shared.contracts import orders, sends
from tests.integration.alerter.kit import READ_KEY, Alerter
from tests.kit.http import client_of
from tests.unit.alerter.examples import CASE, answer, erased, order, send

UNTRUSTED = '<script>alert(1)</script> & "quoted"'


async def test_strangers_are_led_to_the_sign_in_and_readers_cannot_change(alerter: Alerter) -> None:
    await alerter.receive(answer(3, comment="Secret"))
    async with client_of(alerter.app) as stranger:
        for path in ("/", f"/cases/{CASE}", "/parts/list", f"/parts/cases/{CASE}"):
            response = await stranger.get(path)
            assert response.status_code == 303 and response.headers["location"].startswith("/sign-in?next=")
            assert "Secret" not in response.text
        await stranger.post("/sign-in", data={"key": READ_KEY})
        page = (await stranger.get(f"/cases/{CASE}")).text
        assert "Secret" in page and 'class="actions"' not in page
        assert (await stranger.post(f"/cases/{CASE}/assign", data={"sequence": 1})).status_code == 403
    assert len(await alerter.published()) == 1


async def test_a_case_shows_order_survey_answer_and_what_was_done(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.handle("orders", (orders.PLACED, order()))
    await alerter.handle("surveys.sends", (sends.SENT, send()))
    await alerter.receive(answer(3, customer_id="c-42", order_id="1001", send_id="s-1", comment=UNTRUSTED))
    page = await browser.get(f"/cases/{CASE}")
    assert page.status_code == 200
    told = ["What they bought", "Wooden train", "What was asked", "What they said", "&lt;script&gt;", "What we did"]
    assert [words for words in told if words in page.text] == told
    assert sorted(told, key=page.text.rindex) == told
    assert "<script>alert" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert re.search(r'<time datetime="[^"]+Z?[^"]*" title="[^"]+\(.+\)">', page.text)


async def test_lists_empty_erased_and_unknown_have_their_words(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    assert "No cases waiting" in (await browser.get("/")).text
    assert "No matching cases" in (await browser.get("/?search=zebra")).text
    unknown = await browser.get("/cases/nothing")
    assert unknown.status_code == 404 and "Case not found" in unknown.text
    await alerter.receive(answer(3, comment="Secret"))
    assert "Secret" in (await browser.get("/")).text
    await alerter.receive(erased())
    page = await browser.get(f"/cases/{CASE}")
    assert page.status_code == 200 and "data was erased" in page.text and "Secret" not in page.text
    for wrong, said in (
        ("cursor=nonsense", "cursor"),
        ("queue=nope", "queues are detractors"),
        ("status=x", "waiting"),
        ("queues=detractors", "Queues: is no parameter; possible are cursor, owner, queue, search, status"),
    ):
        for path in ("/", "/parts/list", f"/cases/{CASE}"):
            refused = await browser.get(f"{path}?{wrong}", headers={"Accept": "text/html"})
            assert refused.status_code == 422 and said in refused.text
            assert 'href="/"' in refused.text, "the way out"


async def test_pages_and_filters_stay_in_the_address(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.receive(*(answer(9, answer_id=f"a-{number}", comment=f"words {number}") for number in range(60)))
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


async def test_a_search_covers_every_queue_and_closed_cases(alerter: Alerter, browser: httpx.AsyncClient) -> None:
    await alerter.receive(
        answer(3, comment="The wheel broke"),
        answer(9, answer_id="a-2", comment="Lovely wheel"),
        answer(2, answer_id="a-3", comment="No wheel at all"),
    )
    await actions.close(
        alerter.runtime, CASE, sequence=1, actor="kim", reason="resolved", root_cause=None, text="Sent another"
    )

    async def found(**given: str) -> list[str]:
        page = (await browser.get("/", params=given)).text
        return re.findall(r'class="comment[^>]*>([^<]+)<', page)

    assert await found() == ["No wheel at all"]
    assert await found(search="wheel") == ["No wheel at all", "Lovely wheel", "The wheel broke"]
    assert await found(search="wheel", queue="promoters") == ["Lovely wheel"]
    assert await found(search="wheel", status="waiting") == ["No wheel at all", "Lovely wheel"]
    page = (await browser.get("/?search=wheel")).text
    # What is sent with the next search is that it covers everything, unless somebody chooses otherwise.
    assert '<option value="" selected>All' in page and '<option value="waiting">Waiting' in page
    assert 'name="queue"' not in page
