"""A few connections to the mail server, kept open, and one mail over one of them.

What matters is the boundary: until the content is sent, the server cannot have the mail; from there until its answer,
it may have it without our knowing.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiosmtplib
from aiosmtplib import SMTP, SMTPDataError, SMTPRecipientRefused, SMTPResponseException, SMTPServerDisconnected

from services.dispatcher.courier.channels.email.message import Letter
from services.dispatcher.courier.domain.outcomes import ACCEPTED, LATE, Outcome, outcome_of_reply

IDLE_SECONDS = 20.0
"""A connection unused for so long is not trusted: servers hang up on silent ones."""

_NO_REPLY = (SMTPServerDisconnected, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Server:
    """``start_tls`` None: encrypted where the server offers it."""

    host: str
    port: int
    tls: bool = False
    start_tls: bool | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class ServerUnavailable(Exception):
    """The server cannot be reached, or takes no mail from us at all: nothing about this mail. ``reason`` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pace:
    """Lets through at most ``a_second``; 0 is no limit."""

    def __init__(self, a_second: float) -> None:
        self._gap = 1 / a_second if a_second else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        if not self._gap:
            return
        now = time.monotonic()
        self._next = max(self._next, now) + self._gap
        await asyncio.sleep(self._next - self._gap - now)


class Connections:
    """``connections`` at once; ``greeting`` is what we call ourselves, ``mail_seconds`` the longest a step may take."""

    def __init__(
        self, server: Server, *, greeting: str, connections: int, mail_seconds: float, a_second: float = 0
    ) -> None:
        self._server = server
        self._greeting = greeting
        self._mail_seconds = mail_seconds
        self._slots = asyncio.Semaphore(connections)
        self._pace = Pace(a_second)
        self._idle: list[tuple[SMTP, float]] = []

    async def deliver(self, letter: Letter, may_begin: Callable[[], bool]) -> Outcome:
        """Hands one mail over.

        ``may_begin`` is asked right before the content goes out, for the last time at which not sending is certain.
        Raises ServerUnavailable when the server, and not this mail, is in the way; it cannot have the mail then.
        """
        async with self._slots:
            await self._pace.turn()
            if not may_begin():
                return LATE
            client, reused = await self._connected()
            try:
                refused = await self._address(client, letter)
            except ServerUnavailable:
                # A kept connection may have been closed by the server for its own reasons; a new one tells the truth.
                if not reused:
                    raise
                client, _ = await self._connected(fresh=True)
                refused = await self._address(client, letter)
            outcome = refused or await self._hand_over(client, letter, may_begin)
            await self._put_back(client, clean=outcome is ACCEPTED)
            return outcome

    async def close(self) -> None:
        for client, _ in self._idle:
            with contextlib.suppress(*_NO_REPLY, aiosmtplib.SMTPException):
                async with asyncio.timeout(2):
                    await client.quit()
            client.close()
        self._idle.clear()

    async def rest(self) -> None:
        """Closes what has not been used for a while; to be called when there is nothing to do."""
        if self._idle and time.monotonic() - max(used for _, used in self._idle) > IDLE_SECONDS:
            await self.close()

    async def _connected(self, *, fresh: bool = False) -> tuple[SMTP, bool]:
        """A connection, and whether it was used before."""
        while self._idle:
            client, used = self._idle.pop()
            if not fresh and client.is_connected and time.monotonic() - used <= IDLE_SECONDS:
                return client, True
            client.close()
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=server.start_tls,
            username=server.user,
            password=server.password,
            local_hostname=self._greeting,
            timeout=self._mail_seconds,
        )
        try:
            async with asyncio.timeout(self._mail_seconds):
                await client.connect()
        except SMTPResponseException as error:
            raise ServerUnavailable(str(error.code)) from error
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            raise ServerUnavailable(type(error).__name__) from error
        return client, False

    async def _address(self, client: SMTP, letter: Letter) -> Outcome | None:
        """MAIL and RCPT: None when the server will take the mail for this recipient, else what it said."""
        try:
            async with asyncio.timeout(self._mail_seconds):
                await client.mail(letter.sender, options=[f"SIZE={len(letter.content)}"] if _knows_size(client) else [])
                await client.rcpt(letter.recipient)
        except SMTPRecipientRefused as error:
            refused = outcome_of_reply("recipient", error.code, error.message)
            if refused.kind == "unbegun":
                client.close()
                raise ServerUnavailable(str(error.code)) from error
            return refused
        except SMTPResponseException as error:
            # Refused before a recipient was named: it does not like the sender, which is the same for every mail.
            client.close()
            raise ServerUnavailable(str(error.code)) from error
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            client.close()
            raise ServerUnavailable(type(error).__name__) from error
        return None

    async def _hand_over(self, client: SMTP, letter: Letter, may_begin: Callable[[], bool]) -> Outcome:
        """DATA. Whatever ends it without the server's answer leaves the outcome unknown."""
        if not may_begin():
            return LATE
        try:
            async with asyncio.timeout(self._mail_seconds):
                await client.data(letter.content)
        except SMTPDataError as error:
            outcome = outcome_of_reply("content", error.code, error.message)
            if outcome.kind == "unknown":
                client.close()
            return outcome
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            client.close()
            return Outcome("unknown", type(error).__name__)
        return ACCEPTED

    async def _put_back(self, client: SMTP, *, clean: bool) -> None:
        """Keeps the connection for the next mail; one that was not accepted may have left its envelope there."""
        if not client.is_connected:
            return
        try:
            if not clean:
                async with asyncio.timeout(self._mail_seconds):
                    await client.rset()
            self._idle.append((client, time.monotonic()))
        except (*_NO_REPLY, aiosmtplib.SMTPException):
            client.close()


def _knows_size(client: SMTP) -> bool:
    return client.supports_extension("size")
