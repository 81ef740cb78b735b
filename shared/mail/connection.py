"""One connection to a mail server: commands out, replies in, in order.

aiosmtplib opens it (greeting, encryption, login). From then on it is spoken to here, because aiosmtplib waits for each
reply before it sends the next command, and a mail takes four round trips. Where the server allows pipelining (RFC 2920)
several commands leave together.
"""

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, cast

import aiosmtplib
from aiosmtplib import SMTP

from shared.mail.server import Server

_LONGEST_LINE = 8_192
_LONGEST_REPLY = 4 * _LONGEST_LINE
_LINE_END = re.compile(rb"\r\n|\r|\n")
_NOT_IN_A_COMMAND = re.compile(rb"[\x00-\x1f\x7f]")


class Reply(NamedTuple):
    """``text`` is of all its lines, without the code before each."""

    code: int
    text: str


class NoReply(ConnectionError):
    """The connection was lost, or what came over it is no reply."""


class Connection(asyncio.Protocol):
    """``pipelining`` and ``knows_size``: whether the server offers that (RFC 2920, RFC 1870)."""

    def __init__(self, transport: asyncio.Transport, *, pipelining: bool, knows_size: bool) -> None:
        self.transport = transport
        self.pipelining = pipelining
        self.knows_size = knows_size
        self._buffer = b""
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._expected = 0
        self._broken: NoReply | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_clean(self) -> bool:
        """Whether it can be used for another message: it is open, and everything said on it has been replied to."""
        return not (self._broken or self._expected or self._replies or self.transport.is_closing())

    def say(self, commands: Sequence[bytes], *, after: bytes = b"") -> None:
        """Sends commands, each of which will have a reply; ``after`` is the rest of a message, ``in_transit``, whose
        reply comes first. Raises NoReply if the connection is lost."""
        for command in commands:
            if _NOT_IN_A_COMMAND.search(command):
                raise ValueError("a command must be one line without control characters")
        if self._broken or self.transport.is_closing():
            raise self._broken or NoReply("the connection is closed")
        self._expected += len(commands) + bool(after)
        self.transport.write(after + b"".join(b"%s\r\n" % command for command in commands))

    async def reply(self) -> Reply:
        """The next reply. Raises NoReply when none will come."""
        if not self._replies and not self._broken:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if not self._replies:
            assert self._broken
            raise self._broken
        return self._replies.popleft()

    async def command(self, command: bytes) -> Reply:
        """Sends one command and waits for its reply."""
        self.say([command])
        return await self.reply()

    def close(self) -> None:
        """Ends the connection at once: what was not sent yet never is."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(line.rstrip(b"\r"))
            if self._broken:
                # What follows would be taken for the reply to something else.
                break
        if len(self._buffer) > _LONGEST_LINE or sum(map(len, self._lines)) > _LONGEST_REPLY:
            self._break(NoReply("the reply is too long"))
        self._wake()

    def connection_lost(self, _error: Exception | None) -> None:
        self._break(NoReply("the connection was lost"))
        self._wake()

    def _take(self, line: bytes) -> None:
        code = line[:3]
        if not self._expected or not code.isdigit() or len(line) > _LONGEST_LINE:
            # Also a farewell that nobody asked for: it must not be taken for the reply to what is said next.
            self._break(NoReply("what the server sent is not a reply"))
            return
        self._lines.append(line[4:].strip())
        if line[3:4] == b"-":
            return
        text = b"\n".join(self._lines).decode("utf-8", "surrogateescape")
        self._lines.clear()
        self._replies.append(Reply(int(code), text))
        self._expected -= 1

    def _break(self, error: NoReply) -> None:
        self._broken = self._broken or error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done() and (self._replies or self._broken):
            self._waiter.set_result(None)


async def connected(server: Server, *, greeting: str, timeout: float) -> Connection:
    """A connection on which we are greeted and, if the server wants it, logged in. ``greeting`` is our name in EHLO.

    Raises an exception of aiosmtplib, TimeoutError, or OSError (which NoReply is).
    """
    client = SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.tls,
        start_tls=server.start_tls,
        username=server.user,
        password=server.password,
        local_hostname=greeting,
        timeout=timeout,
    )
    try:
        async with asyncio.timeout(timeout):
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
    except BaseException:
        client.close()
        raise
    if client.protocol is None or client.protocol.transport is None:
        raise NoReply("the connection was lost")
    transport = cast("asyncio.Transport", client.protocol.transport)
    connection = Connection(
        transport,
        pipelining=client.supports_extension("pipelining"),
        knows_size=client.supports_extension("size"),
    )
    transport.set_protocol(connection)
    return connection


async def _greet(client: SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def in_transit(content: bytes) -> bytes:
    """``content`` as it follows DATA (RFC 5321 §4.5.2): lines end with CRLF, dots that begin one are doubled, and one
    alone ends it. A line ending that servers could understand differently would smuggle a second message past them."""
    ends = content.count(b"\r\n")
    if content.count(b"\r") != ends or content.count(b"\n") != ends:
        content = _LINE_END.sub(b"\r\n", content)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    doubled = content.replace(b"\r\n.", b"\r\n..")
    return (b"." if doubled.startswith(b".") else b"") + doubled + b".\r\n"
