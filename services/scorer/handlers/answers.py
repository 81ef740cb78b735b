"""``surveys.answers``: each answer counts once, at its highest revision."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions.answers import count_answers
from services.scorer.actions.names import Names
from services.scorer.settings import ScorerSettings
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[ScorerSettings], names: Names) -> Handler:
    zone = runtime.settings.zone
    keep_comments = runtime.settings.comments_kept > 0

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        received: list[Answer | AnswerErased] = bodies(messages, Answer, AnswerErased)
        await count_answers(connection, names, received, zone=zone, keep_comments=keep_comments)

    return handle
