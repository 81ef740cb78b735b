"""Why a process is not ready, in one line."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local import readiness
from deploy.local.ports import HOST, free_port
from deploy.local.readiness import why_not_ready


@asynccontextmanager
async def responding(response: bytes | None) -> AsyncIterator[int]:
    """The port of a server that responds with these bytes, or never."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if response is not None:
            await reader.readline()
            writer.write(response)
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(respond, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def http(status: str, body: object) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n\r\n{json.dumps(body)}".encode()


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (http("200 OK", {"ready": True, "obstacles": {}}), ""),
        (
            http("503 Service Unavailable", {"obstacles": {"database": "is not responding", "timers": "are failing"}}),
            "database is not responding; timers are failing",
        ),
        (http("503 Service Unavailable", ["who knows"]), "its /readyz responds with 503"),
        (http("404 Not Found", {}), "its /readyz responds with 404"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP: is another program using its port?"),
        (None, "does not respond within"),
    ],
)
async def test_the_reason(response: bytes | None, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "TIMEOUT", 0.2 if response is None else 20)
    async with responding(response) as port:
        assert (await why_not_ready(port)).startswith(reason)
        assert bool(await why_not_ready(port)) == bool(reason)


async def test_nobody_listens() -> None:
    assert await why_not_ready(free_port()) == "does not accept connections yet"
