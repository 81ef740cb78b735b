"""Scores, trends and comparisons over HTTP, without a network."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.nps import Counts, net_promoter_score
from tests.integration.scorer.kit import START, Scorer, answer
from tests.integration.scorer.sample import COUNTRIES, count, fill, shown


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
            count(given, 30, category="toys", campaign="product-nps")
            + count(given, 30, category="books", campaign="product-nps")
            - count(given, 30, campaign="product-nps"),
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
        cursor = body["next_cursor"]
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


async def test_compare_pages_through_more_values_than_anybody_can_read(
    served: Scorer, client: httpx.AsyncClient
) -> None:
    """None is dropped: the worst are among the last, and would be missed most."""
    await served.take(
        "surveys.answers",
        *(answer(f"p{n}", 10, segments={"city": f"city {n:03}"}) for n in range(700)),
        *(answer(f"d{n}", 0, segments={"city": "the worst"}) for n in range(10)),
    )
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        parameters = {"dimension": "city", "limit": "500"} | ({"cursor": cursor} if cursor else {})
        body = (await client.get("/v1/nps/compare", params=parameters)).json()
        assert body["total"] == 701
        seen += [item["value"] for item in body["items"]]
        cursor = body["next_cursor"]
    # Those with too few answers come last; of the others, the best first.
    assert seen == ["the worst", *(f"city {n:03}" for n in range(700))]
