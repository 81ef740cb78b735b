"""``surveys.answers``: when each customer last answered."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions import answers
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.cloudevents import Message
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(_runtime: Runtime[DispatcherSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await answers.ingest(connection, messages)

    return handle
