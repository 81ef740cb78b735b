"""Pages go out with headers that keep a token to its owner, and static files come from the nearest folder."""

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from shared.contracts.campaigns import Brand
from shared.web.pages import page_headers, templates
from shared.web.static_files import SHARED, StaticFiles
from tests.kit.http import client_of


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "web" / "templates").mkdir(parents=True)
    (tmp_path / "web" / "static").mkdir()
    (tmp_path / "web" / "templates" / "hello.html").write_text(
        '{% extends "page.html" %}{% block body %}<p>{{ said }}</p><link href="{{ static("own.css") }}">{% endblock %}'
    )
    (tmp_path / "web" / "static" / "own.css").write_text("p { color: red }")
    return tmp_path


@pytest.fixture
def client(service: Path) -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(StaticFiles, folders=(service / "web", SHARED))
    rendering = templates(service)

    @app.get("/")
    async def hello(request: Request, said: str = "", logo: str = "") -> HTMLResponse:
        brand = Brand(name="Shop", color="#ffe600", logo_url=logo or None)
        return rendering.TemplateResponse(request, "hello.html", {"said": said, "brand": brand})

    return client_of(app)


async def test_a_page_may_load_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy.replace("'sha256-", "")
    assert response.headers["referrer-policy"] == "same-origin"
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in response.headers


async def test_what_is_shown_is_escaped(client: httpx.AsyncClient) -> None:
    response = await client.get("/", params={"said": "<script>alert(1)</script>"})
    assert "<script>" not in response.text
    assert "&lt;script&gt;" in response.text


async def test_only_the_logo_s_origin_is_let_in(client: httpx.AsyncClient) -> None:
    response = await client.get("/", params={"logo": "https://cdn.shop.example:8443/logo.png?a=1"})
    assert "img-src 'self' data: blob: https://cdn.shop.example:8443;" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    "logo",
    [
        "javascript:alert(1)",
        "https://a.example; script-src *",
        "//cdn.example/x",
        "https://a b/",
        "file:///x",
        "https://[::1",
    ],
)
def test_a_strange_logo_address_opens_nothing(logo: str) -> None:
    headers = page_headers("n", Brand(name="Shop", logo_url=logo))
    assert "img-src 'self' data: blob:;" in headers["Content-Security-Policy"]


async def test_static_files_of_the_service_and_the_shared_ones(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    address = page.split('href="/static/own.css')[1].split('"')[0]
    own = await client.get("/static/own.css" + address)
    assert own.text == "p { color: red }"
    assert "immutable" in own.headers["cache-control"]
    # A page of another release, while replicas are upgraded: what it gets must not be kept as that release's file.
    other = await client.get("/static/own.css?v=000000000000")
    assert (other.status_code, other.headers["cache-control"]) == (200, "no-cache")
    shared = await client.get("/static/base.css")
    assert "--accent" in shared.text
    assert "immutable" not in shared.headers.get("cache-control", "")
    assert (await client.get("/static/../pages.py")).status_code == 404
    assert (await client.get("/static/nothing.css")).status_code == 404
    assert (await client.post("/static/base.css")).status_code == 404


async def test_a_static_file_is_packed_and_known_again(client: httpx.AsyncClient) -> None:
    packed = await client.get("/static/base.css", headers={"Accept-Encoding": "gzip"})
    plain = await client.get("/static/base.css", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and packed.text == plain.text
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    again = await client.get("/static/base.css", headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_page_is_rendered_with_turns_for_others_in_between(service: Path) -> None:
    (service / "web" / "templates" / "long.html").write_text("{% for _ in range(100_000) %}{{ _ }} {% endfor %}")
    pages = templates(service)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    texts = await asyncio.gather(*(pages.render("long.html", {}) for _ in range(2)))
    beside.cancel()
    assert texts[0] == texts[1] and texts[0].startswith("0 1 2 ") and texts[0].endswith("99998 99999 ")
    assert turns > 10


async def test_the_address_follows_the_content(client: httpx.AsyncClient, service: Path) -> None:
    before = (await client.get("/")).text
    (service / "web" / "static" / "own.css").write_text("p { color: blue }")
    again = templates(service)
    address = str(again.env.globals["static"]("own.css"))  # type: ignore[operator]
    assert address not in before


def test_a_static_file_that_is_nowhere_is_named(service: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.css"):
        templates(service).env.globals["static"]("absent.css")  # type: ignore[operator]
