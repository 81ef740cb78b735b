"""What is compressed, and what must not be."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from shared.web.compression import SMALLEST_BYTES, Compressed, accepts_gzip
from tests.kit.http import client_of

LONG = "<p>long</p>" * SMALLEST_BYTES
VERY_LONG = LONG * 20
BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(Compressed)

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse(LONG, headers={"X-Kept": "yes"})

    @app.get("/large")
    async def large() -> HTMLResponse:
        return HTMLResponse(VERY_LONG)

    @app.get("/small")
    async def small() -> HTMLResponse:
        return HTMLResponse("x" * (SMALLEST_BYTES - 1))

    @app.get("/problem")
    async def problem() -> JSONResponse:
        return JSONResponse({"detail": LONG}, 422, media_type="application/problem+json")

    @app.get("/packed")
    async def packed() -> Response:
        return Response(gzip.compress(LONG.encode()), headers={"Content-Encoding": "gzip"}, media_type="text/css")

    @app.get("/picture")
    async def picture() -> Response:
        return Response(LONG.encode(), media_type="image/png")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            yield LONG
            await asyncio.sleep(0)
            yield LONG

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.get("/parts")
    async def parts() -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            yield LONG
            yield LONG

        return StreamingResponse(lines(), media_type="text/csv")

    @app.get("/unchanged")
    async def unchanged() -> Response:
        return Response(status_code=304, media_type="text/html")

    return client_of(app)


@pytest.mark.parametrize(("path", "text"), [("/page", LONG), ("/large", VERY_LONG)])
async def test_a_page_is_compressed_for_whom_it_may_be(client: httpx.AsyncClient, path: str, text: str) -> None:
    packed = await client.get(path, headers=BROWSER)
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(text) / 20
    assert packed.text == text
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.text == text


async def test_other_headers_and_the_status_stay(client: httpx.AsyncClient) -> None:
    assert (await client.get("/page", headers=BROWSER)).headers["x-kept"] == "yes"
    problem = await client.get("/problem", headers=BROWSER)
    assert (problem.status_code, problem.headers["content-encoding"]) == (422, "gzip")
    assert problem.json() == {"detail": LONG}


@pytest.mark.parametrize("path", ["/small", "/picture", "/stream", "/parts", "/unchanged"])
async def test_what_is_small_or_no_text_or_sent_in_parts_goes_as_it_is(client: httpx.AsyncClient, path: str) -> None:
    assert "content-encoding" not in (await client.get(path, headers=BROWSER)).headers


async def test_nothing_is_compressed_twice(client: httpx.AsyncClient) -> None:
    assert (await client.get("/packed", headers=BROWSER)).text == LONG


@pytest.mark.parametrize(
    ("headers", "packed"),
    [
        ({"Cookie": "session=1", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Cookie": "session=1", "Sec-Fetch-Site": "same-site"}, False),
        ({"Cookie": "session=1"}, False),
        ({"Cookie": "session=1", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Cookie": "session=1", "Sec-Fetch-Site": "none"}, True),
        ({"Authorization": "Bearer key", "Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
    ],
)
async def test_no_other_site_learns_the_length_of_what_cookies_open(
    client: httpx.AsyncClient, headers: dict[str, str], packed: bool
) -> None:
    """Nobody but the shop's own pages can send a key, and a survey's token is in no cookie."""
    response = await client.get("/page", headers={**BROWSER, **headers})
    assert ("content-encoding" in response.headers) is packed


@pytest.mark.parametrize(
    ("query", "headers", "packed"),
    [
        ("search=Ana", {"Cookie": "session=1"}, False),
        ("cursor=1&s%65arch=", {"Cookie": "session=1"}, False),
        ("cursor=1&status=any", {"Cookie": "session=1"}, True),
        ("search=Ana", {}, True),
    ],
)
async def test_nothing_is_compressed_together_with_text_that_another_site_may_have_chosen(
    client: httpx.AsyncClient, query: str, headers: dict[str, str], packed: bool
) -> None:
    """It opens a page, and the page asks for its parts."""
    response = await client.get(f"/page?{query}", headers={**BROWSER, "Sec-Fetch-Site": "same-origin", **headers})
    assert ("content-encoding" in response.headers) is packed


@pytest.mark.parametrize(
    ("accepted", "does"),
    [
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br, identity", False),
        ("", False),
    ],
)
def test_a_client_says_what_it_takes(accepted: str, does: bool) -> None:
    assert accepts_gzip(accepted) is does
