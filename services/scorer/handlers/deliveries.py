"""``surveys.deliveries``: whether a survey was delivered."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions.surveys import count_deliveries
from services.scorer.settings import ScorerSettings
from shared.contracts.cloudevents import Message
from shared.contracts.deliveries import Delivery
from shared.messaging.bodies import with_bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[ScorerSettings]) -> Handler:
    zone = runtime.settings.zone

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        reports = [(message.type, body) for message, body in with_bodies(messages, Delivery)]
        await count_deliveries(connection, reports, zone=zone)

    return handle
