"""SMTP: a pool of connections to the mail server, and sending messages over them.

What matters is the boundary: until the content is sent, the server cannot have the message; from then until its reply,
it may have it without our knowing.

Where the server allows it, MAIL, RCPT and DATA leave together, and behind one message's content those of the next, so
that each message takes one round trip. Its content is still sent only after the server has asked for it.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPConnectResponseError,
    SMTPHeloError,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from shared.mail.connection import Connection, NoReply, Reply, connected, in_transit
from shared.mail.message import Email
from shared.mail.pace import Pace
from shared.mail.replies import Stage, outcome_of_reply
from shared.mail.server import Server
from shared.mail.turns import Turn, Turns
from shared.transmission import ACCEPTED, NOT_BEGUN, MayBegin, TransmissionOutcome

IDLE_SECONDS = 20.0
"""A connection idle for longer is not reused: servers close idle ones."""

# A message announced behind another whose reply takes longer than this looks for another connection.
_PATIENCE_SECONDS = 5.0
# For so long nothing is announced to a server that was silent about it: some, or what is in front of them, offer
# pipelining and drop what comes behind the end of a message.
_NOT_ANNOUNCED_SECONDS = 3_600.0
_NO_REPLY = (SMTPServerDisconnected, TimeoutError, OSError)
_CLOSING = 421
_STORED = 250
_SUCCESS: Mapping[Stage, tuple[int, ...]] = {"sender": (250,), "recipient": (250, 251), "data": (354,)}
_STAGES: Mapping[type[SMTPResponseException], Stage] = {
    SMTPConnectResponseError: "connect",
    SMTPHeloError: "greeting",
    SMTPAuthenticationError: "login",
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
        self._turns = Turns(connections)
        self._pace = Pace(per_second)
        self._idle: list[tuple[Connection, float]] = []
        self._announce_from = 0.0

    async def send(self, email: Email, may_begin: MayBegin) -> TransmissionOutcome:
        """Sends one message; a failing server is an outcome too, not an exception.

        ``may_begin`` is asked right before the content goes out, the last moment at which not sending is certain, and
        before waiting for this message's turn: one that would come too late is left to others.
        """
        turn = Turn(email, may_begin)
        await self._turns.wait_for(turn)
        try:
            return await self._attempt(turn)
        except BaseException:
            if turn.client is not None:
                turn.client.close()
            raise
        finally:
            self._turns.pass_on(turn)

    async def close(self) -> None:
        """Closes every idle connection, each within two seconds."""
        for client, _ in self._idle:
            with contextlib.suppress(*_NO_REPLY):
                async with asyncio.timeout(2):
                    await client.command(b"QUIT")
            client.close()
        self._idle.clear()

    async def rest(self) -> None:
        """Closes stale idle connections; to be called when there is nothing to do."""
        if self._idle and time.monotonic() - max(used for _, used in self._idle) > IDLE_SECONDS:
            await self.close()

    async def _attempt(self, turn: Turn) -> TransmissionOutcome:
        if not turn.announced:
            if not turn.may_begin(self._pace.wait()):
                return NOT_BEGUN
            await self._pace.turn()
            if not turn.may_begin(0):
                return NOT_BEGUN
        try:
            client, refused = await self._addressed(turn)
        except _NotOnThisConnection as error:
            return error.outcome
        outcome = refused or await self._send_content(client, turn)
        if turn.following is None:
            await self._put_back(client, clean=outcome is ACCEPTED)
        return outcome

    async def _addressed(self, turn: Turn) -> tuple[Connection, TransmissionOutcome | None]:
        """A connection on which the envelope was sent, and the outcome if this recipient was rejected."""
        used = turn.announced or self._take_idle(turn)
        if used:
            assert turn.client is not None
            try:
                return turn.client, await self._send_envelope(turn.client, turn)
            except _NotOnThisConnection as error:
                # The server may have closed the connection for its own reasons; only a new one can tell.
                if turn.announced and isinstance(error.__cause__, TimeoutError):
                    self._announce_from = time.monotonic() + _NOT_ANNOUNCED_SECONDS
        turn.announced = False
        turn.client = await self._connected()
        return turn.client, await self._send_envelope(turn.client, turn)

    def _take_idle(self, turn: Turn) -> bool:
        """Whether there is an idle connection, which the message then has."""
        while self._idle:
            client, used = self._idle.pop()
            if client.is_clean and time.monotonic() - used <= IDLE_SECONDS:
                turn.client = client
                return True
            client.close()
        return False

    async def _connected(self) -> Connection:
        try:
            return await connected(self._server, greeting=self._greeting, timeout=self._timeout)
        except (*_NO_REPLY, aiosmtplib.SMTPException) as error:
            raise _NotOnThisConnection(_outcome_of(error)) from error

    async def _send_envelope(self, client: Connection, turn: Turn) -> TransmissionOutcome | None:
        """MAIL and RCPT, and DATA where it goes along: None when the server takes this recipient, else the outcome."""
        commands = _envelope(client, turn.email)
        refused: _Refusal | None = None
        try:
            async with asyncio.timeout(self._timeout):
                if client.pipelining and not turn.announced:
                    client.say(list(commands.values()))
                for stage, command in commands.items():
                    reply = await (client.reply() if client.pipelining else client.command(command))
                    refused = refused or _refusal(stage, reply)
                    if refused and not client.pipelining:
                        break
        except _NO_REPLY as error:
            client.close()
            if refused is None:
                raise _NotOnThisConnection(_outcome_of(error)) from error
        if refused is None:
            if not client.is_clean:
                # It has hung up, or said something that nobody asked for.
                client.close()
                raise _NotOnThisConnection(TransmissionOutcome("unavailable", NoReply.__name__))
            return None
        if refused.ends_connection or (client.pipelining and reply.code in _SUCCESS["data"]):
            # Or it waits for the content of a message that it has refused.
            client.close()
        if refused.ends_connection and refused.stage != "data":
            raise _NotOnThisConnection(refused.outcome)
        return refused.outcome

    async def _send_content(self, client: Connection, turn: Turn) -> TransmissionOutcome:
        """The content, with DATA if the server has not asked for it yet. If it was sent and the server does not reply,
        the outcome is unresolved."""
        if not turn.may_begin(0):
            if client.pipelining:
                # It discards a message whose end does not come.
                client.close()
            return NOT_BEGUN
        sent = False
        try:
            async with asyncio.timeout(self._timeout):
                if not client.pipelining:
                    reply = await client.command(b"DATA")
                    if (refused := _refusal("data", reply)) is not None:
                        return self._refused(client, refused)
                self._say_content(client, turn)
                sent = True
                reply = await self._reply_to_content(client, turn)
        except _NO_REPLY as error:
            client.close()
            return TransmissionOutcome("unresolved" if sent else "unavailable", type(error).__name__)
        if reply.code == _STORED:
            return ACCEPTED
        return self._refused(client, _Refusal("content", reply))

    def _refused(self, client: Connection, refusal: "_Refusal") -> TransmissionOutcome:
        if refusal.ends_connection:
            client.close()
        return refusal.outcome

    def _say_content(self, client: Connection, turn: Turn) -> None:
        """Sends the content, and behind it the envelope of the next message. Nothing was sent if it raises NoReply."""
        may_announce = client.pipelining and not self._pace.is_limited and time.monotonic() >= self._announce_from
        following = turn.following = self._turns.next_to_announce() if may_announce else None
        announced = [] if following is None else list(_envelope(client, following.email).values())
        client.say(announced, after=in_transit(turn.email.content))

    async def _reply_to_content(self, client: Connection, turn: Turn) -> Reply:
        if (following := turn.following) is None:
            return await client.reply()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await client.reply()
        except TimeoutError:
            turn.following = None
            self._turns.take_back(following)
        return await client.reply()

    async def _put_back(self, client: Connection, *, clean: bool) -> None:
        """Returns the connection to the pool; a message that was not accepted may have left its envelope on it."""
        try:
            if client.is_clean and not clean:
                async with asyncio.timeout(self._timeout):
                    await client.command(b"RSET")
        except _NO_REPLY:
            client.close()
        if client.is_clean:
            self._idle.append((client, time.monotonic()))
        else:
            client.close()


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A reply that is no success."""

    stage: Stage
    reply: Reply

    @property
    def outcome(self) -> TransmissionOutcome:
        return outcome_of_reply(self.stage, self.reply.code, self.reply.text)

    @property
    def ends_connection(self) -> bool:
        """Whether the server hangs up (RFC 5321 §3.8), would say the same of every message on this connection, or
        may have understood something else than we said."""
        odd = self.stage == "data" and not 400 <= self.reply.code < 600
        return odd or self.reply.code == _CLOSING or self.outcome.kind in ("unavailable", "misconfigured", "unresolved")


def _refusal(stage: Stage, reply: Reply) -> _Refusal | None:
    return None if reply.code in _SUCCESS[stage] else _Refusal(stage, reply)


def _envelope(client: Connection, email: Email) -> Mapping[Stage, bytes]:
    """The commands before the content, by what a reply to each is about."""
    size = f" SIZE={len(email.content)}" if client.knows_size else ""
    commands: dict[Stage, bytes] = {
        "sender": f"MAIL FROM:<{email.sender}>{size}".encode("ascii"),
        "recipient": f"RCPT TO:<{email.recipient}>".encode("ascii"),
    }
    if client.pipelining:
        commands["data"] = b"DATA"
    return commands


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


class _NotOnThisConnection(Exception):
    """The server cannot be reached, or takes nothing from us on this connection, whoever it is for."""

    def __init__(self, outcome: TransmissionOutcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
