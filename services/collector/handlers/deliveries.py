"""``surveys.deliveries``: bounces and complaints become preferences."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions import deliveries
from services.collector.settings import CollectorSettings
from shared.contracts.cloudevents import Message
from shared.contracts.deliveries import Delivery
from shared.messaging.bodies import with_bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[CollectorSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await deliveries.remember(connection, runtime, with_bodies(messages, Delivery))

    return handle
