"""``orders``: what customers ordered is shown with their cases."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import orders
from services.alerter.settings import AlerterSettings
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent
from shared.messaging.bodies import with_bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[AlerterSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        events = [(message.type, body) for message, body in with_bodies(messages, OrderEvent)]
        await orders.store(connection, runtime, events)

    return handle
