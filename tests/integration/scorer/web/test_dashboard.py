"""The dashboard over HTTP, without a network or JavaScript."""

import asyncio
import csv
import re
from html import unescape

import httpx
import pytest
from sqlalchemy import event

from shared.contracts.identity import case_id
from shared.nps import rounded
from tests.integration.scorer.kit import Scorer, answer
from tests.integration.scorer.sample import COUNTRIES, fill


async def test_the_dashboard_leads_strangers_to_sign_in(client: httpx.AsyncClient) -> None:
    response = await client.get("/?window=7d", headers={"Authorization": ""})
    assert response.status_code in (303, 401)


async def test_the_dashboard_answers_how_whether_and_where_without_a_script(
    served: Scorer, client: httpx.AsyncClient
) -> None:
    await fill(served)
    await served.take("surveys.answers", answer("x", 2, comment="<b>Too late</b> & broken", segments={"country": "BR"},
                                               campaign="service-nps"))  # fmt: skip
    response = await client.get("/?window=90d&by=country")
    assert response.status_code == 200
    page = response.text
    expected = (await client.get("/v1/nps?window=90d")).json()
    figure = f"{rounded(expected['nps']):.0f}".replace("-", "−")
    assert f'<strong class="nps figures">{figure}</strong>' in page
    assert "401 answers" in page
    for country in COUNTRIES:
        assert f">{country}</a></th>" in page
    assert "&lt;b&gt;Too late&lt;/b&gt; &amp; broken" in page
    assert f'href="http://127.0.0.1:8004/cases/{case_id("x")}"' in page
    assert re.search(r"service-nps</span>\s+<a[^>]*>Open the case", page)
    assert "Lumen &amp; Leaf" in page
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy and " style=" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/?by=country",
        "/?segment=country:BR&by=category",
        "/v1/nps",
        "/v1/nps/trend",
        "/v1/nps/compare?dimension=country",
    ],
)
async def test_whatever_is_shown_together_is_read_in_one_transaction(
    served: Scorer, client: httpx.AsyncClient, path: str
) -> None:
    """Of two, the second could see answers that the first did not: the parts of a page would contradict each other."""
    await served.take("surveys.answers", answer("a", 9, segments={"country": "BR", "category": "toys"}))
    begun = []

    @event.listens_for(served.runtime.engine.sync_engine, "begin")
    def _begun(*_: object) -> None:
        begun.append(1)

    assert (await client.get(path)).status_code == 200
    assert begun == [1]


async def test_the_shares_of_the_groups_add_up_to_100(served: Scorer, client: httpx.AsyncClient) -> None:
    await served.take("surveys.answers", answer("a", 10), answer("b", 8), answer("c", 0))
    shown = re.findall(r'<span class="figures">(\d+)% <span class="quiet">1</span>', (await client.get("/")).text)
    assert shown == ["34", "33", "33"]


async def test_the_dashboard_keeps_filters_in_the_address(served: Scorer, client: httpx.AsyncClient) -> None:
    await fill(served)
    page = (await client.get("/?window=30d&segment=country:BR&campaign=service-nps")).text
    assert "window=90d" in page
    assert 'href="/?campaign=service-nps&amp;segment=country%3ABR&amp;window=90d"' in page
    assert 'href="/?campaign=service-nps&amp;window=30d"' in page


async def test_the_dashboard_has_words_for_nothing_and_for_nonsense(client: httpx.AsyncClient) -> None:
    empty = await client.get("/")
    assert empty.status_code == 200
    assert "No answers here yet" in empty.text
    bad = await client.get("/?segment=nonsense")
    assert bad.status_code == 422
    assert "country:BR" in bad.text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("windows=7d", "windows: is no parameter; possible are by, campaign, find, page, segment, window"),
        ("window=8d", "window: "),
        ("by=planet", "by: is 'planet', by which nothing was counted; there are "),
    ],
)
async def test_the_dashboard_answers_no_other_question_than_was_asked(
    served: Scorer, client: httpx.AsyncClient, asked: str, said: str
) -> None:
    await fill(served)
    refused = await client.get(f"/?{asked}", headers={"Accept": "text/html"})
    page = unescape(refused.text)
    assert refused.status_code == 422
    assert said.casefold() in page.casefold()
    assert 'href="/"' in page, "the way out"


# What changes -------------------------------------------------------------------------------------------------------


async def test_only_what_changed_is_sent(served: Scorer, client: httpx.AsyncClient) -> None:
    await fill(served)
    page = (await client.get("/?by=country&window=90d")).text
    tags = dict(re.findall(r'id="([\w-]+)"[^>]* data-live="(\w+)"', page))
    asked = {"by": "country", "window": "90d"}
    same = (await client.get("/parts", params={**asked, "have": list(tags.values())})).json()
    assert (same["tags"], same["texts"]) == (tags, {})
    await served.take("surveys.answers", answer("new", 0, segments={"country": "BR", "category": "toys"}))
    changed = (await client.get("/parts", params={**asked, "have": list(tags.values())})).json()
    assert "score" in changed["texts"] and "402 answers" not in page
    assert not {"comments", "comments-title", "segments-note"} & changed["texts"].keys()
    assert changed["tags"].keys() == tags.keys()
    everything = (await client.get("/parts", params=asked)).json()
    assert everything["texts"].keys() == tags.keys()
    now = (await client.get("/?by=country&window=90d")).text
    assert all(text in now for text in everything["texts"].values())


async def test_twenty_people_who_open_it_at_once_cost_two_readings(served: Scorer, client: httpx.AsyncClient) -> None:
    await fill(served)
    begun = []

    @event.listens_for(served.runtime.engine.sync_engine, "begin")
    def _begun(*_: object) -> None:
        begun.append(1)

    pages = await asyncio.gather(*(client.get("/?by=country") for _ in range(20)))
    assert {response.status_code for response in pages} == {200}
    assert len({response.text for response in pages}) == 1
    assert sum(begun) == 2


async def test_a_long_list_comes_in_pages_and_whatever_has_answers_is_found(
    served: Scorer, client: httpx.AsyncClient
) -> None:
    """Of 560 values, the 500 with the most answers are compared; the others can be searched."""
    many = (answer(f"{n}-{k}", 9, segments={"city": f"city {n:03}"}) for n in range(500) for k in range(2))
    few = (answer(f"few {n}", 0, segments={"city": f"100% small_{n:02}"}) for n in range(60))
    await served.take("surveys.answers", *many, *few)

    async def listed(query: str) -> tuple[list[str], str]:
        page = unescape((await client.get(f"/?by=city{query}")).text)
        table = page.partition('<table id="segments-table"')[2].partition("</table>")[0]
        return re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', table), page

    first, page = await listed("")
    assert first == [f"city {n:03}" for n in range(50)]
    assert "1–50 of 500" in page and "Of 560 values, these are the 500 with the most answers." in page
    last, page = await listed("&page=10")
    assert last == [f"city {n:03}" for n in range(450, 500)]
    assert "451–500 of 500" in page
    assert (await listed("&page=11"))[0] == []
    found, page = await listed("&find=SMALL_")
    assert found == [f"100% small_{n:02}" for n in range(50)] and "1–50 of 60 that contain “SMALL_”" in page
    assert (await listed("&find=100%25 small_59"))[0] == ["100% small_59"]
    assert (await listed("&find=100x"))[0] == [], "a percent sign is no wildcard"
    drawn = page.partition('<ol class="names">')[2].partition("</ol>")[0]
    assert re.findall("<li>([^<]*)</li>", drawn) == [f"city {n:03}" for n in range(20)]


async def test_segments_are_suggested_by_what_they_contain(served: Scorer, client: httpx.AsyncClient) -> None:
    await fill(served)
    assert (await client.get("/parts/segments?find=OO")).json() == ["category:books"]
    assert (await client.get("/parts/segments?find=country:")).json() == [
        f"country:{name}" for name in sorted(COUNTRIES)
    ]


async def test_the_numbers_can_be_taken_along_and_are_no_formulas(served: Scorer, client: httpx.AsyncClient) -> None:
    await served.take(
        "surveys.answers",
        *(answer(f"{n}", 0, segments={"order_value": "=HYPERLINK(1)"}) for n in range(12)),
        *(answer(f"{n + 12}", 10, segments={"order_value": 'under "100"'}) for n in range(1_200)),
    )
    file = await client.get("/numbers/segments.csv?by=order_value&window=all")
    assert file.headers["content-disposition"] == 'attachment; filename="segments.csv"'
    rows = list(csv.reader(file.text.splitlines()))
    assert rows[0] == ["Order value", "NPS", "From", "To", "Answers", "Compared with the others"]
    assert rows[1][0] == 'under "100"' and rows[1][1:2] + rows[1][4:5] == ["100", "1200"]
    assert rows[2][0] == "'=HYPERLINK(1)" and rows[2][1] == "-100"
    await served.take("surveys.answers", answer("formula", 0, segments={"=1+1": "x"}))
    named = list(csv.reader((await client.get("/numbers/segments.csv?by=%3D1%2B1&window=all")).text.splitlines()))
    assert named[0][0] == "'=1+1" and named[1][0] == "x"
    trend = list(csv.reader((await client.get("/numbers/trend.csv?window=7d")).text.splitlines()))
    assert trend[1][0] == "2026-03-01" and trend[1][4] == "1213"
    for bad in ("/numbers/segments.csv", "/numbers/segments.csv?by=planet", "/numbers/trend.csv?segment=nonsense"):
        assert (await client.get(bad)).status_code == 422
