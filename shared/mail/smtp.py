"""SMTP: a pool of connections to the mail server, and sending one message over one of them.

What matters is the boundary: until the content is sent, the server cannot have the message; from then until its reply,
it may have it without our knowing.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

import aiosmtplib
from aiosmtplib import SMTP, SMTPDataError, SMTPRecipientRefused, SMTPResponseException, SMTPServerDisconnected

from shared.mail.message import Email
from shared.mail.replies import outcome_of_reply
from shared.mail.server import Server
from shared.transmission import ACCEPTED, NOT_BEGUN, TransmissionOutcome

IDLE_SECONDS = 20.0
"""A connection idle for longer is not reused: servers close idle ones."""

_NO_REPLY = (SMTPServerDisconnected, TimeoutError, OSError)


class Transport:
    """Up to ``connections`` at once and ``per_second`` messages per second (0 = unlimited).

    ``greeting`` is our name in EHLO; ``timeout`` (seconds) applies to each step: connecting, envelope, content.
    """

    def __init__(
        self, server: Server, *, greeting: str, connections: int, timeout: float, per_second: float = 0
    ) -> None:
        self._server = server
        self._greeting = greeting
        self._timeout = timeout
        self._slots = asyncio.Semaphore(connections)
        self._pace = _Pace(per_second)
        self._idle: list[tuple[SMTP, float]] = []

    async def send(self, email: Email, may_begin: Callable[[], bool]) -> TransmissionOutcome:
        """Sends one message; a failing server is an outcome too, not an exception.

        ``may_begin`` is asked right before the content goes out, the last moment at which not sending is certain.
        """
        async with self._slots:
            await self._pace.turn()
            if not may_begin():
                return NOT_BEGUN
            try:
                client, refused = await self._addressed(email)
            except _ServerUnavailable as error:
                return TransmissionOutcome("unavailable", error.reason)
            outcome = refused or await self._send_content(client, email, may_begin)
            await self._put_back(client, clean=outcome is ACCEPTED)
            return outcome

    async def close(self) -> None:
        """Closes every idle connection, each within two seconds."""
        for client, _ in self._idle:
            with contextlib.suppress(*_NO_REPLY, aiosmtplib.SMTPException):
                async with asyncio.timeout(2):
                    await client.quit()
            client.close()
        self._idle.clear()

    async def rest(self) -> None:
        """Closes stale idle connections; to be called when there is nothing to do."""
        if self._idle and time.monotonic() - max(used for _, used in self._idle) > IDLE_SECONDS:
            await self.close()

    async def _addressed(self, email: Email) -> tuple[SMTP, TransmissionOutcome | None]:
        """A connection on which the envelope was sent, and the outcome if the recipient was rejected."""
        client, reused = await self._connected()
        try:
            return client, await self._send_envelope(client, email)
        except _ServerUnavailable:
            # The server may have closed an idle connection for its own reasons; only a new one can tell.
            if not reused:
                raise
        client, _ = await self._connected(fresh=True)
        return client, await self._send_envelope(client, email)

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
            timeout=self._timeout,
        )
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect()
        except SMTPResponseException as error:
            raise _ServerUnavailable(str(error.code)) from error
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            raise _ServerUnavailable(type(error).__name__) from error
        return client, False

    async def _send_envelope(self, client: SMTP, email: Email) -> TransmissionOutcome | None:
        """MAIL and RCPT: None when the server accepts this recipient, else the outcome."""
        try:
            async with asyncio.timeout(self._timeout):
                await client.mail(email.sender, options=[f"SIZE={len(email.content)}"] if _knows_size(client) else [])
                await client.rcpt(email.recipient)
        except SMTPRecipientRefused as error:
            refused = outcome_of_reply("recipient", error.code, error.message)
            if refused.kind == "unavailable":
                client.close()
                raise _ServerUnavailable(str(error.code)) from error
            return refused
        except SMTPResponseException as error:
            # Rejected before a recipient was named: it rejects the sender, which is the same for every message.
            client.close()
            raise _ServerUnavailable(str(error.code)) from error
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            client.close()
            raise _ServerUnavailable(type(error).__name__) from error
        return None

    async def _send_content(self, client: SMTP, email: Email, may_begin: Callable[[], bool]) -> TransmissionOutcome:
        """DATA. If it ends without the server's reply, the outcome is unresolved."""
        if not may_begin():
            return NOT_BEGUN
        try:
            async with asyncio.timeout(self._timeout):
                await client.data(email.content)
        except SMTPDataError as error:
            outcome = outcome_of_reply("content", error.code, error.message)
            if outcome.kind == "unresolved":
                client.close()
            return outcome
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            client.close()
            return TransmissionOutcome("unresolved", type(error).__name__)
        return ACCEPTED

    async def _put_back(self, client: SMTP, *, clean: bool) -> None:
        """Returns the connection to the pool; a message that was not accepted may have left its envelope on it."""
        if not client.is_connected:
            return
        try:
            if not clean:
                async with asyncio.timeout(self._timeout):
                    await client.rset()
            self._idle.append((client, time.monotonic()))
        except (*_NO_REPLY, aiosmtplib.SMTPException):
            client.close()


def _knows_size(client: SMTP) -> bool:
    return client.supports_extension("size")


class _ServerUnavailable(Exception):
    """The server cannot be reached, or accepts nothing from us: unrelated to this message. ``reason`` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Pace:
    """A rate limit of ``per_second``; 0 = unlimited."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        if not self._gap:
            return
        now = time.monotonic()
        self._next = max(self._next, now) + self._gap
        await asyncio.sleep(self._next - self._gap - now)
