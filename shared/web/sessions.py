"""Sessions of staff: signed cookies, which end in every replica and every service when their owner signs out.

What a session may do is looked up with each request, by the API key it began with: it ends with its key. A session that
was signed out of is listed in the database of the service until its cookie expires, and told to the others by an event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import sessions as contract
from shared.contracts.cloudevents import Message
from shared.contracts.sessions import SessionEnded
from shared.messaging.handler import Handler
from shared.runtime import Runtime
from shared.web.repository import sessions as repository

SESSION_SECONDS = 12 * 3_600


@dataclass(frozen=True, slots=True)
class Session:
    """What a valid cookie says. ``key_digest`` is the SHA-256 of the key in hexadecimal; ``expires_at`` is in UTC."""

    session_id: str
    key_digest: str
    expires_at: datetime


class Cookies:
    """Signs and reads the cookies. The first of ``secrets`` signs; a cookie of any of them is valid."""

    def __init__(self, secrets: Sequence[str]) -> None:
        # itsdangerous signs with the last one.
        self._signer = URLSafeTimedSerializer(list(reversed(secrets)), salt="hearback.session")

    def begin(self, key_digest: str) -> str:
        """The cookie of a new session."""
        return self._signer.dumps([str(uuid4()), key_digest])

    def read(self, cookie: str) -> Session | None:
        """None when it is forged or expired, or of a release whose sessions had no id."""
        try:
            said, signed_at = self._signer.loads(cookie, max_age=SESSION_SECONDS, return_timestamp=True)
        except BadSignature:
            return None
        if not isinstance(said, list) or len(said) != 2:
            return None
        session_id, key_digest = said
        return Session(session_id, key_digest, signed_at.astimezone(UTC) + timedelta(seconds=SESSION_SECONDS))


async def is_withdrawn(runtime: Runtime[Any], session: Session) -> bool:
    """Whether its owner has signed out of it. Raises the database's error: then nobody can tell."""
    async with runtime.autocommit() as connection:
        return await repository.is_withdrawn(connection, session.session_id)


async def end(runtime: Runtime[Any], session: Session) -> None:
    """Withdraws the session at once in this service's replicas, and in the other services when they read of it."""
    now = datetime.now(UTC)
    async with runtime.transaction() as connection:
        if await repository.withdraw(connection, {session.session_id: session.expires_at}):
            told = SessionEnded(session_id=session.session_id, ended_at=now, expires_at=session.expires_at)
            await runtime.outbox.put(connection, [contract.event(told)])


def handler() -> Handler:
    """The handler of ``staff.sessions``, for each service with pages."""

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        ended = [cast("SessionEnded", message.body) for message in messages]
        await repository.withdraw(connection, {body.session_id: body.expires_at for body in ended})

    return handle
