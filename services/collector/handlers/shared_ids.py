"""``customers.shared``: ids that turned out to be many people's, who are told apart from then on."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions import shared_ids
from services.collector.settings import CollectorSettings
from shared.contracts.cloudevents import Message
from shared.contracts.shared_ids import SharedId
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[CollectorSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await shared_ids.tell_apart(connection, runtime, {body.customer_id for body in bodies(messages, SharedId)})

    return handle
