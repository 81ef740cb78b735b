"""The dashboard over HTTP, without a network or JavaScript."""

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
        ("windows=7d", "windows: is no parameter; possible are by, campaign, segment, window"),
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
