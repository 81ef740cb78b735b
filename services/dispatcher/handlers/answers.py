"""``surveys.answers``: when each customer last answered."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions import answers
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(_runtime: Runtime[DispatcherSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await answers.ingest(connection, bodies(messages, Answer, AnswerErased))

    return handle
