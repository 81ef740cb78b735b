"""The parameters that select scores: what is rejected, and who may ask."""

import httpx
import pytest

from services.scorer.wiring import build
from tests.integration.scorer.kit import Scorer, StartScorer, answer
from tests.kit.http import client_of
from tests.kit.openapi import ALWAYS, declared_statuses
from tests.kit.settings import KEY, api_key


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/nps?segment=country", "country:BR"),
        ("/v1/nps?window=31d", "window"),
        ("/v1/nps?at=2026-03-01T12:00:00", "at"),
        ("/v1/nps?at=yesterday", "at"),
        ("/v1/nps?at=20261101", "at: "),
        ("/v1/nps?at=1793525400", "at: "),
        ("/v1/nps?at=2026", "at: "),
        ("/v1/nps?at=2026-13-01", "at: "),
        ("/v1/nps?windows=7d", "windows: "),
        ("/v1/nps?windows=7d", "window"),
        ("/v1/nps/trend?segments=country:BR", "segment,"),
        ("/v1/nps/compare?by=country", "dimension"),
        ("/v1/segments?windows=7d", "cursor, dimension, limit"),
        ("/v1/sample-size?confidence=99", "margin"),
        ("/v1/stream?since=4", "after"),
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


async def test_a_time_is_understood_with_an_unencoded_plus_and_a_day_is_the_whole_day(
    start_scorer: StartScorer,
) -> None:
    scorer = await start_scorer(api_key("staff", "scores:read"), timezone="America/New_York")
    app = build(scorer.runtime).app
    assert app is not None
    async with client_of(app, key=KEY) as client:
        for written, at in (
            ("2026-11-01T09:30:00+01:00", "2026-11-01T08:30:00Z"),
            ("2026-11-01T09:30:00%2B01:00", "2026-11-01T08:30:00Z"),
            ("2026-11-01T09:30:00-03:00", "2026-11-01T12:30:00Z"),
            ("2026-11-01T09:30Z", "2026-11-01T09:30:00Z"),
            # A day of 25 hours, up to its end.
            ("2026-11-01", "2026-11-02T04:59:59.999999Z"),
        ):
            response = await client.get(f"/v1/nps?at={written}")
            assert response.status_code == 200, response.text
            assert response.json()["at"] == at


async def test_a_dimension_that_was_never_counted_is_refused_with_those_that_were(
    served: Scorer, client: httpx.AsyncClient
) -> None:
    for path in ("/v1/nps/compare?dimension=planet", "/v1/segments?dimension=planet"):
        assert (await client.get(path)).status_code == 200, "nothing was counted yet: what will be is unknown"
    await served.take("surveys.answers", answer("a", 9, segments={"country": "BR", "tier": "gold"}))
    for path in ("/v1/nps/compare?dimension=planet", "/v1/segments?dimension=planet"):
        response = await client.get(path)
        assert response.status_code == 422
        assert "planet" in response.json()["detail"] and "country, tier" in response.json()["detail"]


async def test_the_document_of_the_api_declares_the_errors_that_come(client: httpx.AsyncClient) -> None:
    declared = await declared_statuses(client)
    for operation, statuses in declared.items():
        assert statuses == {"200", "401", "403", *ALWAYS}, operation
    assert {"GET /v1/nps", "GET /v1/segments", "GET /v1/sample-size", "GET /v1/stream"} <= declared.keys()
