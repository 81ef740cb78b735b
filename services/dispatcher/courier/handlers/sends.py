"""``surveys.sends``: queues one delivery for each survey."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.channels.channel import Channel
from services.dispatcher.courier.domain.deliveries import NewDelivery
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.settings import CourierSettings
from shared.contracts import sends
from shared.contracts.cloudevents import Message
from shared.contracts.sends import SurveySent
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(_runtime: Runtime[CourierSettings], channels: Mapping[str, Channel[Any]]) -> Handler:
    """``channels`` by name. Surveys for other channels are queued too, and end as unsupported in their turn."""

    def message_id(survey: SurveySent) -> str:
        channel = channels.get(survey.channel)
        return channel.message_id(survey.send_id) if channel is not None else survey.send_id

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        surveys: dict[str, NewDelivery] = {}
        for message in messages:
            # A reminder is a message of its own and needs a delivery of its own; nothing publishes one yet.
            if message.type == sends.SENT and isinstance(message.body, SurveySent):
                survey = message.body
                surveys.setdefault(survey.send_id, NewDelivery(survey, message_id(survey), message.traceparent))
        if surveys:
            await repository.queue(connection, list(surveys.values()))

    return handle
