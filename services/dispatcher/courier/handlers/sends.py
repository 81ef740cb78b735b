"""``surveys.sends``: queues one delivery for each survey."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.actions import deliveries
from services.dispatcher.courier.channels.channel import Channel
from services.dispatcher.courier.settings import CourierSettings
from shared.contracts import sends
from shared.contracts.cloudevents import Message
from shared.contracts.sends import SurveySent
from shared.messaging.bodies import with_bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(_runtime: Runtime[CourierSettings], channels: Mapping[str, Channel[Any]]) -> Handler:
    """``channels`` by name. Surveys for other channels are queued too, and end as unsupported in their turn."""

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        # A reminder is a message of its own and needs a delivery of its own; nothing publishes one yet.
        sent = [message for message in messages if message.type == sends.SENT]
        surveys = [(body, message.traceparent) for message, body in with_bodies(sent, SurveySent)]
        await deliveries.queue(connection, channels, surveys)

    return handle
