"""A mail server for tests: real SMTP, with every kind of failure on demand, and receipts."""

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session

Action = str | Callable[[], Awaitable[None]]
"""What happens to one email: an SMTP code at RCPT (``451``), at DATA (``data 554``), after accepting it (``took 252``),
``drop`` (hang up instead of accepting it), ``cut`` (accept it, then hang up before the reply), or something to wait
for before it is accepted."""


class PostOffice:
    """``script[address]`` has what happens to the next emails for an address; later ones are accepted, or meet
    ``everybody``: a reply at RCPT, or at DATA (``data 554``)."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.script: defaultdict[str, deque[Action]] = defaultdict(deque)
        self.everybody = ""
        self.refused: Counter[str] = Counter()
        self.connections = 0
        self.questions = 0
        self.port = 0
        self.receipts_url = ""

    def recipients(self) -> list[str]:
        return [str(mail["To"]).rpartition("<")[2].rstrip(">") for mail in self.mails]

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        script = self.script[address]
        if script and isinstance(script[0], str) and script[0][:3].isdigit():
            self.refused[address] += 1
            return str(script.popleft())
        if self.everybody[:3].isdigit():
            self.refused[address] += 1
            return self.everybody
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        [address] = envelope.rcpt_tos
        action = self.script[address].popleft() if self.script[address] else None
        if isinstance(action, str) and action.startswith("data "):
            return action.removeprefix("data ")
        if self.everybody.startswith("data "):
            return self.everybody.removeprefix("data ")
        if action == "drop":
            _hang_up(server)
            return "250 never read"
        if callable(action):
            # A server that has the whole email continues, whether or not the sender waits for the reply.
            await asyncio.shield(asyncio.ensure_future(self._take_after(action, envelope)))
        else:
            self._take(envelope)
        if isinstance(action, str) and action.startswith("took "):
            return action.removeprefix("took ")
        if action == "cut":
            _hang_up(server)
        return "250 2.0.0 stored"

    async def _take_after(self, action: Callable[[], Awaitable[None]], envelope: Envelope) -> None:
        await action()
        self._take(envelope)

    def _take(self, envelope: Envelope) -> None:
        self.mails.append(message_from_bytes(envelope.original_content or b""))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The receipts, over HTTP."""
        self.questions += 1
        target = (await reader.readline()).split()[1].decode()
        wanted = parse_qs(urlsplit(target).query)["message_id"][0]
        body = json.dumps({"accepted": any(mail["Message-ID"] == wanted for mail in self.mails)}).encode()
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()


def _hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()


@asynccontextmanager
async def open_post_office() -> AsyncIterator[PostOffice]:
    office, loop = PostOffice(), asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: SMTP(office, loop=loop, hostname="office.test"), "127.0.0.1", 0)
    receipts = await asyncio.start_server(office.answer, "127.0.0.1", 0)
    office.port = smtp.sockets[0].getsockname()[1]
    office.receipts_url = f"http://127.0.0.1:{receipts.sockets[0].getsockname()[1]}/receipts"
    try:
        yield office
    finally:
        smtp.close()
        receipts.close()
