"""The score API and the dashboard over HTTP, without a network."""

import hashlib
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.scorer.wiring import build
from shared.nps import Counts, group_of, net_promoter_score
from tests.integration.scorer.conftest import START, Scorer, StartScorer, answer

KEY = "a key that is long enough"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
COUNTRIES = ("BR", "NO", "KR")


@pytest_asyncio.fixture(loop_scope="session")
async def served(start_scorer: StartScorer) -> Scorer:
    other = hashlib.sha256(b"no scores").hexdigest()
    return await start_scorer(
        api_keys=f"staff:{DIGEST}:scores:read;other:{other}:cases:read", brand_name="Lumen & Leaf"
    )


@pytest_asyncio.fixture(loop_scope="session")
async def client(served: Scorer) -> AsyncIterator[httpx.AsyncClient]:
    app = build(served.runtime).app
    assert app is not None
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://scorer", headers={"Authorization": f"Bearer {KEY}"}
    ) as client:
        yield client


async def fill(scorer: Scorer, number: int = 400) -> list[dict[str, Any]]:
    """Answers over the last 60 days, some in two categories, and what they were."""
    rng = random.Random(5)
    given: list[dict[str, Any]] = [
        {
            "score": rng.choice([0, 6, 7, 9, 10]),
            "at": START - timedelta(days=rng.randrange(60)),
            "campaign": rng.choice(["service-nps", "product-nps"]),
            "segments": {
                "country": rng.choice(COUNTRIES),
                "category": rng.choice(["toys", "books", ["toys", "books"]]),
            },
        }
        for _ in range(number)
    ]
    await scorer.take(
        "surveys.answers",
        *(
            answer(str(at), one["score"], at=one["at"], campaign=one["campaign"], segments=one["segments"])
            for at, one in enumerate(given)
        ),
    )
    return given


def count(given: list[dict[str, Any]], days: int | None, end_days_ago: int = 0, **wanted: str) -> Counts:
    """By looking at each answer."""
    counts = dict.fromkeys(("promoter", "passive", "detractor"), 0)
    for one in given:
        age = (START.date() - one["at"].date()).days - end_days_ago
        fits = all(
            value in (carried if isinstance(carried := one["segments"][dimension], list) else [carried])
            for dimension, value in wanted.items()
            if dimension != "campaign"
        )
        if age >= 0 and (days is None or age < days) and fits and wanted.get("campaign") in (None, one["campaign"]):
            counts[group_of(one["score"])] += 1
    return Counts(counts["promoter"], counts["passive"], counts["detractor"])


def shown(body: dict[str, Any]) -> Counts:
    return Counts(body["promoters"], body["passives"], body["detractors"])


async def test_nps_of_everybody_of_a_segment_and_of_several_at_once(served: Scorer, client: httpx.AsyncClient) -> None:
    given = await fill(served)
    cases: list[tuple[dict[str, Any], Counts]] = [
        ({}, count(given, 30)),
        ({"window": "7d", "segment": "country:BR"}, count(given, 7, country="BR")),
        ({"window": "all", "segment": "everybody"}, count(given, None)),
        ({"window": "90d", "campaign": "service-nps"}, count(given, 90, campaign="service-nps")),
        (
            {"window": "30d", "segment": ["country:BR", "category:toys"]},
            count(given, 30, country="BR", category="toys"),
        ),
        (
            {"window": "30d", "segment": ["category:books", "category:toys"], "campaign": "product-nps"},
            Counts(
                *(
                    a + b - c
                    for a, b, c in zip(
                        *(
                            (k.promoters, k.passives, k.detractors)
                            for k in (
                                count(given, 30, category="toys", campaign="product-nps"),
                                count(given, 30, category="books", campaign="product-nps"),
                                count(given, 30, campaign="product-nps"),
                            )
                        ),
                        strict=True,
                    )
                )
            ),
        ),
        ({"window": "30d", "at": (START - timedelta(days=10)).isoformat()}, count(given, 30, 10)),
    ]
    for parameters, expected in cases:
        body = (await client.get("/v1/nps", params=parameters)).json()
        score = net_promoter_score(expected)
        assert (shown(body), body["n"]) == (expected, expected.n), parameters
        assert (body["nps"], body["low"], body["high"]) == (
            pytest.approx(score.nps),
            pytest.approx(score.low),
            pytest.approx(score.high),
        )
        assert body["held_back"] == (expected.n < 10)
    body = (await client.get("/v1/nps")).json()
    assert (body["window"], body["segment"], body["campaign"]) == ("30d", "everybody", "*")
    assert body["at"].startswith("2026-03-01T12:00:00")


async def test_nobody_is_no_error_and_has_no_score(served: Scorer, client: httpx.AsyncClient) -> None:
    for parameters in ({"segment": "country:never seen"}, {"campaign": "never-seen"}, {}):
        body = (await client.get("/v1/nps", params=parameters)).json()
        assert (body["nps"], body["low"], body["high"], body["n"], body["held_back"]) == (None, -100, 100, 0, True)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/nps?segment=country", "country:BR"),
        ("/v1/nps?window=31d", "window"),
        ("/v1/nps?at=2026-03-01T12:00:00", "at"),
        ("/v1/nps?at=yesterday", "at"),
        ("/v1/nps?at=0001-01-01T00:00:00Z", "at: "),
        ("/v1/nps?at=0001-01-01T00:00:00%2B14:00", "at: "),
        ("/v1/nps?window=all&at=9999-12-31T23:59:59-14:00", "at: "),
        ("/v1/nps/trend?step=week&points=730&at=0010-01-01T00:00:00Z", "at: "),
        ("/v1/nps/compare", "dimension"),
        ("/v1/nps/compare?dimension=country&cursor=nonsense", "cursor"),
        ("/v1/segments?cursor=W10", "cursor"),
        ("/v1/nps/trend?points=100000", "points"),
        ("/v1/sample-size?margin=0", "margin"),
        ("/v1/sample-size?margin=1e-300", "margin"),
        ("/v1/stream?segment=x", "country:BR"),
        ("/v1/stream?after=1000000000000000000", "after"),
    ],
)
async def test_a_bad_request_is_a_problem_that_names_the_field(client: httpx.AsyncClient, path: str, says: str) -> None:
    response = await client.get(path)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


async def test_scores_need_a_key_with_the_scope(client: httpx.AsyncClient) -> None:
    for path in ("/v1/nps", "/v1/nps/trend", "/v1/segments", "/v1/stream", "/v1/sample-size"):
        assert (await client.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await client.get(path, headers={"Authorization": "Bearer no scores"})).status_code == 403


async def test_the_trend_is_the_window_at_the_end_of_each_day(served: Scorer, client: httpx.AsyncClient) -> None:
    given = await fill(served)
    both: dict[str, str] = {"country": "NO", "category": "toys"}
    nothing: dict[str, str] = {}
    for segment, wanted in (([], nothing), (["country:NO", "category:toys"], both)):
        parameters: dict[str, Any] = {"window": "7d", "points": 5, "segment": segment}
        body = (await client.get("/v1/nps/trend", params=parameters)).json()
        assert [shown(point) for point in body["points"]] == [
            count(given, 7, back, **wanted) for back in (4, 3, 2, 1, 0)
        ]
        assert body["points"][-1]["day"] == "2026-03-01"
    body = (await client.get("/v1/nps/trend", params={"window": "all", "points": 3, "step": "week"})).json()
    assert [shown(point) for point in body["points"]] == [count(given, None, back) for back in (14, 7, 0)]


async def test_compare_pages_through_all_values_best_first(served: Scorer, client: httpx.AsyncClient) -> None:
    given = await fill(served)
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        parameters: dict[str, Any] = {"dimension": "country", "window": "90d", "limit": 2, "cursor": cursor}
        parameters = {name: value for name, value in parameters.items() if value is not None}
        body = (await client.get("/v1/nps/compare", params=parameters)).json()
        items += body["items"]
        cursor = body["next"]
        if cursor is None:
            break
    assert {item["value"]: shown(item) for item in items} == {
        country: count(given, 90, country=country) for country in COUNTRIES
    }
    assert [item["nps"] for item in items] == sorted((item["nps"] for item in items), reverse=True)
    within = {"dimension": "category", "segment": "country:BR", "window": "90d"}
    body = (await client.get("/v1/nps/compare", params=within)).json()
    assert {item["value"]: shown(item) for item in body["items"]} == {
        category: count(given, 90, country="BR", category=category) for category in ("toys", "books")
    }


async def test_compare_tells_real_differences_from_chance(served: Scorer, client: httpx.AsyncClient) -> None:
    await served.take(
        "surveys.answers",
        *(answer(f"bad {n}", 2, segments={"country": "BR"}) for n in range(100)),
        *(answer(f"good {n}", 10, segments={"country": "NO"}) for n in range(100)),
        *(answer(f"mixed {n}", (2, 10)[n % 2], segments={"country": "KR"}) for n in range(100)),
        *(answer(f"few {n}", 10, segments={"country": "SE"}) for n in range(3)),
    )
    body = (await client.get("/v1/nps/compare?dimension=country")).json()
    assert [(item["value"], item["differs"], item["held_back"]) for item in body["items"]] == [
        ("NO", True, False),
        ("KR", False, False),
        ("BR", True, False),
        ("SE", None, True),
    ]


async def test_segments_are_listed_page_by_page(served: Scorer, client: httpx.AsyncClient) -> None:
    await fill(served)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        body = (await client.get("/v1/segments", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["segment"] for item in body["items"]]
        cursor = body["next"]
    assert seen == ["category:books", "category:toys", "country:BR", "country:KR", "country:NO"]
    body = (await client.get("/v1/segments?dimension=country")).json()
    assert [item["value"] for item in body["items"]] == ["BR", "KR", "NO"]


async def test_sample_size_uses_what_was_measured_or_the_worst_case(served: Scorer, client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/sample-size?margin=5")).json()
    assert (body["n"], body["variance"], body["variance_from"], body["have"]) == (1537, 1, "largest possible", 0)
    await served.take("surveys.answers", *(answer(f"a{number}", 7 if number % 2 else 10) for number in range(100)))
    body = (await client.get("/v1/sample-size?margin=5")).json()
    # Half promoters, half passives: V = ½ − ¼.
    assert (body["n"], body["variance"], body["have"]) == (385, 0.25, 100)


async def test_the_dashboard_leads_strangers_to_sign_in(client: httpx.AsyncClient) -> None:
    response = await client.get("/?window=7d", headers={"Authorization": ""})
    assert response.status_code in (303, 401)


async def test_the_dashboard_answers_how_whether_and_where_without_a_script(
    served: Scorer, client: httpx.AsyncClient
) -> None:
    await fill(served)
    await served.take("surveys.answers", answer("x", 2, comment="<b>Too late</b> & broken", segments={"country": "BR"}))
    response = await client.get("/?window=90d&by=country")
    assert response.status_code == 200
    page = response.text
    expected = (await client.get("/v1/nps?window=90d")).json()
    figure = f"{round(expected['nps'])}".replace("-", "−")
    assert f'<strong class="nps figures">{figure}</strong>' in page
    assert "401 answers" in page
    for country in COUNTRIES:
        assert f">{country}</a></th>" in page
    assert "&lt;b&gt;Too late&lt;/b&gt; &amp; broken" in page
    assert "Lumen &amp; Leaf" in page
    policy = response.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy and " style=" not in page


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


async def test_the_chart_library_comes_from_here_and_stays_cached(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    start = page.index("/assets/plotly-")
    address = page[start : page.index('"', start)]
    response = await client.get(address)
    assert response.status_code == 200
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["content-encoding"] == "gzip"
    assert "Plotly" in response.text
