"""The segments that were counted."""

import httpx

from tests.integration.scorer.kit import Scorer
from tests.integration.scorer.sample import fill


async def test_segments_are_listed_page_by_page(served: Scorer, client: httpx.AsyncClient) -> None:
    await fill(served)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        body = (await client.get("/v1/segments", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["segment"] for item in body["items"]]
        cursor = body["next_cursor"]
    assert seen == ["category:books", "category:toys", "country:BR", "country:KR", "country:NO"]
    body = (await client.get("/v1/segments?dimension=country")).json()
    assert [item["value"] for item in body["items"]] == ["BR", "KR", "NO"]
