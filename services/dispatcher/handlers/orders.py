"""``orders``: facts, timers and one decision per event."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions import orders
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent
from shared.messaging.bodies import with_bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[DispatcherSettings]) -> Handler:
    segmentation = runtime.settings.segmentation

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await orders.ingest(connection, runtime, with_bodies(messages, OrderEvent), segmentation)

    return handle
