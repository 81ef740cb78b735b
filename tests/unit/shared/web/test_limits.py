"""A body is limited in size and time as it arrives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from shared.web.forms import read_form
from shared.web.limits import BodyLimit, limited_text
from shared.web.problems import Problem
from tests.kit.http import client_of

MAX_BYTES = 1_000


async def _form(request: Request) -> JSONResponse:
    return JSONResponse(await read_form(request))


_echo = BodyLimit(Starlette(routes=[Route("/", _form, methods=["POST"])]), max_bytes=MAX_BYTES, seconds=0.2)


async def test_a_body_that_dribbles_is_not_waited_for() -> None:
    never = asyncio.Event()

    async def dribble() -> AsyncIterator[bytes]:
        yield b"score="
        await never.wait()

    async with client_of(_echo) as client:
        async with asyncio.timeout(10):
            response = await client.post("/", content=dribble())
    assert (response.status_code, response.headers["connection"]) == (408, "close")


async def test_a_body_that_keeps_dribbling_is_not_waited_for_either() -> None:
    """Each part comes soon enough; all of them together do not."""

    async def dribble() -> AsyncIterator[bytes]:
        yield b"a="
        for _ in range(60):
            await asyncio.sleep(0.05)
            yield b"x"

    async with client_of(_echo) as client:
        assert (await client.post("/", content=dribble())).status_code == 408


async def test_nothing_is_read_of_a_body_that_is_announced_as_too_large() -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(20):
            read += 100
            yield b"x" * 100

    async with client_of(_echo) as client:
        response = await client.post("/", content=body(), headers={"Content-Length": str(MAX_BYTES + 1)})
    assert (response.status_code, read) == (413, 0)


async def test_a_long_answer_may_take_longer_than_a_body() -> None:
    """What is waited for after the body is the client's leaving."""

    async def listening(request: Request) -> PlainTextResponse:
        await request.body()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await request.receive()
        return PlainTextResponse("still here")

    app = BodyLimit(Starlette(routes=[Route("/", listening, methods=["POST"])]), max_bytes=MAX_BYTES, seconds=0.2)
    async with client_of(app) as client:
        assert (await client.post("/", content=b"a=1")).text == "still here"


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 100):
        yield content[start : start + 100]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_large_is_rejected_whether_announced_or_not(announced: bool) -> None:
    async with client_of(_echo) as client:
        for length, status in ((MAX_BYTES, 200), (MAX_BYTES + 1, 413)):
            content = b"a=" + b"x" * (length - 2)
            response = await client.post("/", content=content if announced else _chunks(content))
            assert response.status_code == status


async def test_a_route_may_limit_its_own_body() -> None:
    app = FastAPI()

    @app.post("/")
    async def own(request: Request) -> PlainTextResponse:
        try:
            return PlainTextResponse(await limited_text(request, MAX_BYTES))
        except Problem as problem:
            return PlainTextResponse(problem.detail, problem.status)

    async with client_of(app) as client:
        fits = "ü" * (MAX_BYTES // 2)
        assert (await client.post("/", content=fits.encode())).text == fits
        assert (await client.post("/", content=b"a\xff")).status_code == 422
        too_large = await client.post("/", content=_chunks(b"x" * (MAX_BYTES + 1)))
        assert (too_large.status_code, too_large.text) == (413, "the maximum is 1,000 bytes")
