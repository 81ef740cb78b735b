"""The chart library over HTTP, without a network."""

import httpx


async def test_the_chart_library_comes_from_here_and_stays_cached(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    start = page.index("/assets/plotly-")
    address = page[start : page.index('"', start)]
    response = await client.get(address)
    assert response.status_code == 200
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["content-encoding"] == "gzip"
    assert "Plotly" in response.text
