"""Sessions of staff: signed cookies, which end in every replica and every service when their owner signs out.

What a session may do is looked up with each request, by the API key it began with: it ends with its key. A session that
was signed out of is listed in the database of the service until its cookie expires, and told to the others by an event.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import sessions as contract
from shared.contracts.cloudevents import Message
from shared.contracts.sessions import SessionEnded
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime
from shared.web.cookies import Session
from shared.web.repository import sessions as repository


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
        ended = bodies(messages, SessionEnded)
        await repository.withdraw(connection, {body.session_id: body.expires_at for body in ended})

    return handle
