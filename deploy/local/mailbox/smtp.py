"""The SMTP side: an email is on disk before the response 250."""

import asyncio
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.local.mailbox.settings import CUT
from deploy.local.mailbox.store import MessageStore

log = logging.getLogger(__name__)

MESSAGE_BYTES = 5 * 1024 * 1024
MAX_DEFERRED_RECIPIENTS = 10_000


class MailHandler:
    """Accepts emails into `store`, except as configured by `rules` (see MailboxSettings)."""

    def __init__(
        self, store: MessageStore, rules: Mapping[str, str], delay: float, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._rules = rules
        self._delay = delay
        self._now = now
        self._deferred: OrderedDict[str, None] = OrderedDict()

    async def handle_RCPT(  # noqa: N802  # aiosmtpd finds it by this name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        match self._rule(address):
            case None | "cut":
                pass
            case "once":
                if self._is_first_attempt(address):
                    return "451 4.7.1 Greylisted, try again"
            case code if code.startswith("5"):
                return f"{code} 5.1.1 No such mailbox"
            case code:
                return f"{code} 4.2.0 Mailbox unavailable, try again later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # likewise
        await asyncio.sleep(self._delay)
        raw = envelope.original_content or b""
        try:
            await self._store.add(raw, tuple(envelope.rcpt_tos), self._now())
        except sqlite3.Error:
            return "452 4.3.1 The email could not be stored, try again later"
        except Exception as error:
            log.warning("an email cannot be stored: %s", type(error).__name__)
            return "554 5.6.0 The email cannot be stored"
        if any(self._rule(address) == CUT for address in envelope.rcpt_tos) and isinstance(
            server.transport, asyncio.WriteTransport
        ):
            server.transport.abort()
        return "250 2.0.0 OK, stored"

    def _rule(self, address: str) -> str | None:
        lowered = address.lower()
        return next((action for start, action in self._rules.items() if lowered.startswith(start)), None)

    def _is_first_attempt(self, address: str) -> bool:
        recipient = address.lower()
        if recipient in self._deferred:
            del self._deferred[recipient]
            return False
        self._deferred[recipient] = None
        if len(self._deferred) > MAX_DEFERRED_RECIPIENTS:
            self._deferred.popitem(last=False)
        return True


async def serve_smtp(handler: MailHandler, host: str, port: int) -> asyncio.Server:
    """Listens until the returned server is closed. Raises OSError when the port is in use."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(
            handler,
            loop=loop,
            hostname="mailbox.localhost",
            ident="Hearback mailbox",
            data_size_limit=MESSAGE_BYTES,
            enable_SMTPUTF8=True,
        ),
        host,
        port,
    )
