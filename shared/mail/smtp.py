"""SMTP: a pool of connections to the mail server, and sending one message over one of them.

What matters is the boundary: until the content is sent, the server cannot have the message; from then until its reply,
it may have it without our knowing.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping

import aiosmtplib
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPConnectResponseError,
    SMTPDataError,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from shared.mail.message import Email
from shared.mail.replies import Stage, outcome_of_reply
from shared.mail.server import Server
from shared.transmission import ACCEPTED, NOT_BEGUN, MayBegin, TransmissionOutcome

IDLE_SECONDS = 20.0
"""A connection idle for longer is not reused: servers close idle ones."""

_NO_REPLY = (SMTPServerDisconnected, TimeoutError, OSError)
_CLOSING = 421
_STAGES: Mapping[type[SMTPResponseException], Stage] = {
    SMTPConnectResponseError: "connect",
    SMTPHeloError: "greeting",
    SMTPAuthenticationError: "login",
    SMTPSenderRefused: "sender",
    SMTPRecipientRefused: "recipient",
    SMTPDataError: "content",
}


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

    async def send(self, email: Email, may_begin: MayBegin) -> TransmissionOutcome:
        """Sends one message; a failing server is an outcome too, not an exception.

        ``may_begin`` is asked right before the content goes out, the last moment at which not sending is certain, and
        before waiting for this message's turn: one that would come too late is left to others.
        """
        async with self._slots:
            if not may_begin(self._pace.wait()):
                return NOT_BEGUN
            await self._pace.turn()
            if not may_begin(0):
                return NOT_BEGUN
            try:
                client, refused = await self._addressed(email)
            except _NotOnThisConnection as error:
                return error.outcome
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
        """A connection on which the envelope was sent, and the outcome if this recipient was rejected."""
        client, reused = await self._connected()
        try:
            return client, await self._send_envelope(client, email)
        except _NotOnThisConnection:
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
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            client.close()
            raise _NotOnThisConnection(_outcome_of(error)) from error
        return client, False

    async def _send_envelope(self, client: SMTP, email: Email) -> TransmissionOutcome | None:
        """MAIL and RCPT: None when the server accepts this recipient, else the outcome."""
        try:
            async with asyncio.timeout(self._timeout):
                await client.mail(email.sender, options=[f"SIZE={len(email.content)}"] if _knows_size(client) else [])
                await client.rcpt(email.recipient)
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            outcome = _outcome_of(error)
            if isinstance(error, SMTPRecipientRefused | SMTPSenderRefused) and not _ends_connection(error, outcome):
                return outcome
            client.close()
            raise _NotOnThisConnection(outcome) from error
        return None

    async def _send_content(self, client: SMTP, email: Email, may_begin: MayBegin) -> TransmissionOutcome:
        """DATA. If it ends without the server's reply, the outcome is unresolved."""
        if not may_begin(0):
            return NOT_BEGUN
        try:
            async with asyncio.timeout(self._timeout):
                await client.data(email.content)
        except SMTPDataError as error:
            outcome = _outcome_of(error)
            if outcome.kind == "unresolved" or _ends_connection(error, outcome):
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


def _outcome_of(error: Exception) -> TransmissionOutcome:
    """What an exception of aiosmtplib or the network before the end of the content means."""
    if isinstance(error, SMTPResponseException):
        stage = next((stage for kind, stage in _STAGES.items() if isinstance(error, kind)), None)
        if stage is not None:
            return outcome_of_reply(stage, error.code, error.message)
        # No reply of the protocol's, or one to STARTTLS.
        return TransmissionOutcome("unavailable", str(error.code))
    # Neither a reply nor the network: the server offers no encryption or no login, which our settings require.
    ours = isinstance(error, aiosmtplib.SMTPException) and not isinstance(error, (*_NO_REPLY, SMTPConnectError))
    return TransmissionOutcome("misconfigured" if ours else "unavailable", type(error).__name__)


def _ends_connection(error: SMTPResponseException, outcome: TransmissionOutcome) -> bool:
    """Whether the server hangs up (RFC 5321 §3.8), or would say the same of every message on this connection."""
    return error.code == _CLOSING or outcome.kind in ("unavailable", "misconfigured")


class _NotOnThisConnection(Exception):
    """The server cannot be reached, or takes nothing from us on this connection, whoever it is for."""

    def __init__(self, outcome: TransmissionOutcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class _Pace:
    """A rate limit of ``per_second``; 0 = unlimited."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._next = 0.0

    def wait(self) -> float:
        """Seconds until the next turn."""
        return max(self._next - time.monotonic(), 0.0) if self._gap else 0.0

    async def turn(self) -> None:
        """Takes the next turn, and waits for it."""
        if not self._gap:
            return
        now = time.monotonic()
        mine = max(self._next, now)
        self._next = mine + self._gap
        await asyncio.sleep(mine - now)
