"""A connection cannot be held, or the memory filled, by headers that never end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deploy.local.ports import free_port
from shared.web.server import MAX_HEADER_BYTES, BoundedHeaders, Server

HOST = "127.0.0.1"
REQUEST = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"


class Impatient(BoundedHeaders):
    header_seconds = 0.3


async def _hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _slow(_request: Request) -> PlainTextResponse:
    await asyncio.sleep(0.6)
    return PlainTextResponse("slow")


APP = Starlette(routes=[Route("/", _hello), Route("/slow", _slow)])


@asynccontextmanager
async def started(*protocol: type[BoundedHeaders]) -> AsyncIterator[int]:
    """The port of a server, which has the protocol of every service if no other is given."""
    number = free_port()
    server = Server(APP, HOST, number, *protocol)
    await server.start()
    try:
        yield number
    finally:
        await server.stop(5)


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    async with started(Impatient) as number:
        yield number


async def _rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.read()


async def test_a_silent_connection_is_closed(port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    assert b" 408 " in await _rest(reader)
    writer.close()


async def test_headers_that_dribble_are_not_waited_for(port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(REQUEST)
    await reader.readuntil(b"hello")
    writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
    for _ in range(4):
        writer.write(b"a")
        await asyncio.sleep(0.05)
    assert b" 408 " in await _rest(reader)
    writer.close()


async def test_headers_that_keep_dribbling_are_not_waited_for_either(port: int) -> None:
    """Each letter comes soon enough; all of them together do not."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
    refused = asyncio.create_task(_rest(reader))
    for _ in range(60):
        if refused.done():
            break
        writer.write(b"a")
        await asyncio.sleep(0.05)
    assert refused.done() and b" 408 " in refused.result()
    writer.close()


async def test_headers_without_end_are_refused() -> None:
    async with started() as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET / HTTP/1.1\r\nX-Long: " + b"a" * (MAX_HEADER_BYTES + 1_000))
        assert b" 431 " in await _rest(reader)
        writer.close()


async def test_a_response_may_take_longer_than_headers(port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(REQUEST.replace(b"/ ", b"/slow "))
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b"slow")).startswith(b"HTTP/1.1 200")
    writer.close()
