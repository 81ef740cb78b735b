"""Readiness checks over HTTP."""

import asyncio

from deploy.local.ports import HOST

TIMEOUT = 2.0


async def answers_ready(port: int) -> bool:
    """True when `/readyz` on `port` returns 200. Polled frequently, hence plain sockets."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return await _status_line(port) == 200
    except (OSError, TimeoutError):
        return False


async def _status_line(port: int) -> int | None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        match (await reader.readline()).split(maxsplit=2):
            case [protocol, status, *_] if protocol.startswith(b"HTTP/") and status.isdigit():
                return int(status)
        return None
    finally:
        writer.close()
