"""``surveys.answers``: each confirmed answer gets a case."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import answers
from services.alerter.settings import AlerterSettings
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[AlerterSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await answers.receive(connection, runtime, bodies(messages, Answer, AnswerErased))

    return handle
