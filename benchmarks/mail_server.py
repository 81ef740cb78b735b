"""A mail server that takes everything, in a process of its own: ``python -m benchmarks.mail_server``.

It replies to each group of commands after a simulated round trip, and offers pipelining, as most servers do. Requests
are lines of JSON on its standard input, replies lines on its standard output; the first line is its port.
"""

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import uvloop

HOST = "127.0.0.1"
SAMPLES = 200
_LONGEST_ANSWER = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that arrived: for whom, of which survey ("" if of none), and when, in seconds of the monotonic clock."""

    recipient: str
    send_id: str
    at: float


class MailServer:
    """The server's process. Open it with ``running``."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    async def set_round_trip(self, seconds: float) -> None:
        """From now on, replies come after so many seconds."""
        await self._ask("round_trip", seconds)

    async def count(self) -> int:
        """How many mails have arrived."""
        return int(await self._ask("count", None))

    async def mails(self) -> list[Mail]:
        """All that have arrived, in order."""
        return [Mail(*each) for each in await self._ask("mails", None)]

    async def samples(self) -> list[bytes]:
        """The contents of the first mails."""
        return [base64.b64decode(each) for each in await self._ask("samples", None)]

    async def _ask(self, what: str, value: object) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, value]).encode() + b"\n")
        return json.loads(await self._process.stdout.readline())


@asynccontextmanager
async def running() -> AsyncIterator[MailServer]:
    """A new server, which ends with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.mail_server",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_ANSWER,
    )
    try:
        assert process.stdout is not None
        yield MailServer(process, int(await process.stdout.readline()))
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


class _Store:
    def __init__(self) -> None:
        self.round_trip = 0.0
        self.mails: list[tuple[str, str, float]] = []
        self.samples: list[bytes] = []

    def add(self, recipient: bytes, content: bytes) -> None:
        head = content[: content.find(b"\r\n\r\n")]
        _, _, after = head.partition(b"X-Hearback-Send-Id: ")
        self.mails.append((recipient.decode(), after.partition(b"\r\n")[0].decode(), time.monotonic()))
        if len(self.samples) < SAMPLES:
            self.samples.append(content)


class _Session(asyncio.Protocol):
    def __init__(self, store: _Store) -> None:
        self._store = store
        self._buffer = bytearray()
        self._recipient = b""
        self._in_content = False
        self._searched = 0
        self._replied_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._reply(b"220 benchmark\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = b""
        while (reply := self._next()) is not None:
            replies += reply
        if replies:
            self._reply(replies)

    def _next(self) -> bytes | None:
        """The reply to the next command or content; None when it is not complete."""
        if self._in_content:
            end = self._buffer.find(b"\r\n.\r\n", max(self._searched - 4, 0))
            if end < 0:
                self._searched = len(self._buffer)
                return None
            self._store.add(self._recipient, bytes(self._buffer[:end]))
            del self._buffer[: end + 5]
            self._in_content, self._searched = False, 0
            return b"250 stored\r\n"
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return self._answer(line)

    def _answer(self, line: bytes) -> bytes:
        command = line[:4].upper()
        if command == b"EHLO":
            return b"250-benchmark\r\n250-PIPELINING\r\n250 SIZE 10000000\r\n"
        if command == b"RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0]
        if command == b"DATA":
            self._in_content = True
            return b"354 go on\r\n"
        return b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n"

    def _reply(self, data: bytes) -> None:
        if not self._store.round_trip:
            self._write(data)
            return
        loop = asyncio.get_running_loop()
        # In order, also when the round trip has just become shorter.
        self._replied_at = max(loop.time() + self._store.round_trip, self._replied_at)
        loop.call_at(self._replied_at, self._write, data)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


async def _serve() -> None:
    store, loop = _Store(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Session(store), HOST, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    requests = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), os.fdopen(0, "rb"))
    while line := await requests.readline():
        what, value = json.loads(line)
        if what == "round_trip":
            store.round_trip = float(value)
        answers: dict[str, Any] = {
            "round_trip": value,
            "count": len(store.mails),
            "mails": store.mails if what == "mails" else None,
            "samples": [base64.b64encode(each).decode() for each in store.samples] if what == "samples" else None,
        }
        sys.stdout.write(json.dumps(answers[what]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_serve())
