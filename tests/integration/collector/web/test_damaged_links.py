"""What mail programs do to a link closes no survey; what is not our link gets an explanatory page, not a bare error."""

from urllib.parse import quote

import pytest

from tests.integration.collector.kit import ONE_CLICK, Collector, seen
from tests.integration.collector.web.test_survey import checked

TAILS = [".", ").", ">", ",", '"', " ", "%20", "%22", "%3E", "/", "/x", "%2F..%2Fmetrics", "Thanks"]


@pytest.mark.parametrize("tail", TAILS)
async def test_a_link_with_something_behind_it_opens_and_is_repaired(collector: Collector, tail: str) -> None:
    """By a redirect to a path, never to a URL built from headers, which behind a proxy would expose the token."""
    page = await collector.send()
    for address in (page, collector.unsubscribe_page()):
        repaired = await collector.client.get(address + tail)
        assert (repaired.status_code, repaired.headers["location"]) == (303, address)
        assert repaired.headers["cache-control"] == "no-store"
        assert (await collector.client.get(address)).status_code == 200
    assert (await collector.client.post(page + tail, json={"score": 1})).status_code == 202
    assert (await collector.client.post(collector.unsubscribe_page() + tail, data=ONE_CLICK)).status_code == 200


@pytest.mark.parametrize(
    ("query", "score"),
    [
        ("?score%10", "10"),
        ("?score\x10", "10"),
        ("?score=10.", "10"),
        ("?score=9%22", "9"),
        ("?score=3D0", "0"),
        ("%3Fscore%3D10", "10"),
        ("?SCORE=7", "7"),
    ],
)
async def test_the_number_that_was_chosen_in_the_email_is_marked(collector: Collector, query: str, score: str) -> None:
    page = await collector.send()
    for address in (page, page.upper()):
        shown = await collector.client.get(address + quote(query, safe="?=%"), follow_redirects=True)
        assert shown.url.path == page
        assert checked(shown) == [score]
    assert await collector.answers() == []


async def test_a_path_in_upper_case_opens(collector: Collector) -> None:
    """Some mail programs write a whole link in upper case, and so do people who copy one from paper."""
    page, leave = await collector.send(), collector.unsubscribe_page()
    for address in (page, leave):
        token = address.rpartition("/")[2]
        in_upper_case = address.upper()
        repaired = await collector.client.get(in_upper_case)
        assert (repaired.status_code, repaired.headers["location"]) == (303, address)
        only_path = in_upper_case.replace(token.upper(), token)
        assert (await collector.client.get(only_path)).status_code == 200
    assert (await collector.client.post(page.upper(), json={"score": 9})).status_code == 202
    assert (await collector.client.post(leave.upper(), data=ONE_CLICK)).status_code == 200
    assert (await collector.client.get("/HEALTHZ")).status_code == 404


async def test_a_repaired_link_leads_to_the_same_step_and_language(collector: Collector) -> None:
    page = await collector.send()
    await collector.client.post(page, json={"score": 9})
    moved = await collector.client.get(f"{page}.?step=comment&lang=pt&unknown=1")
    assert moved.headers["location"] == f"{page}?step=comment&lang=pt"


async def test_a_link_that_is_fine_is_not_redirected(collector: Collector) -> None:
    page = await collector.send()
    for query in ("", "?score=10", "?score=x", "?utm_source=mail&score=0"):
        assert (await collector.client.get(page + query)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/s/", "/s/s-1.", "/s/%2F..%2Fmetrics", "/s/%00", "/unsubscribe/", "/unsubscribe/x/", "/S/x"]
)
async def test_a_link_without_its_token_is_a_page_too(collector: Collector, path: str) -> None:
    await collector.send()
    for response in (await collector.client.get(path), await collector.client.post(path, data={"score": "1"})):
        assert response.status_code == 404
        assert "This link does not work" in seen(response)
    program = await collector.client.post(path, json={"score": 1})
    assert (program.status_code, program.headers["content-type"]) == (404, "application/problem+json")
    assert await collector.outbox() == []
