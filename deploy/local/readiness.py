"""Readiness checks over HTTP."""

import asyncio
import json

from deploy.local.ports import HOST

TIMEOUT = 2.0
_MOST_BYTES = 65_536


async def answers_ready(port: int) -> bool:
    """True when `/readyz` on `port` returns 200. Polled frequently, hence plain sockets."""
    return await why_not_ready(port) == ""


async def why_not_ready(port: int) -> str:
    """The reasons that `/readyz` on `port` gives, in one line; empty when it returns 200."""
    try:
        async with asyncio.timeout(TIMEOUT):
            status, body = await _answer(port)
    except TimeoutError:
        return f"does not respond within {TIMEOUT:.0f} s"
    except OSError:
        return "does not accept connections yet"
    if status == 200:
        return ""
    if status is None:
        return "does not speak HTTP: is another program using its port?"
    try:
        obstacles = json.loads(body)["obstacles"]
        return "; ".join(f"{part} {sentence}" for part, sentence in obstacles.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"its /readyz responds with {status}"


async def _answer(port: int) -> tuple[int | None, bytes]:
    """Status and body; None for what is not HTTP."""
    reader, writer = await asyncio.open_connection(HOST, port)
    received = b""
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        while len(received) < _MOST_BYTES and (more := await reader.read(_MOST_BYTES)):
            received += more
    finally:
        writer.close()
    head, _, body = received.partition(b"\r\n\r\n")
    match head.split(maxsplit=2):
        case [protocol, status, *_] if protocol.startswith(b"HTTP/") and status.isdigit():
            return int(status), body
    return None, b""
