"""``surveys.sends``: which segments a survey counts in."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions.names import Names
from services.scorer.actions.surveys import count_sends
from services.scorer.settings import ScorerSettings
from shared.contracts import sends
from shared.contracts.cloudevents import Message
from shared.contracts.sends import SurveySent
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[ScorerSettings], names: Names) -> Handler:
    zone = runtime.settings.zone

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        # A reminder is the same survey and adds nothing.
        sent = [message for message in messages if message.type == sends.SENT]
        await count_sends(connection, names, bodies(sent, SurveySent), zone=zone)

    return handle
