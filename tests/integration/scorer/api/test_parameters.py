"""The parameters that select scores: what is rejected, and who may ask."""

import httpx
import pytest


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
