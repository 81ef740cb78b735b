"""``surveys.sends``: the surveys that may be answered from now on."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions import sends
from services.collector.settings import CollectorSettings
from shared.contracts.cloudevents import Message
from shared.contracts.sends import SurveySent
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[CollectorSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await sends.store(connection, runtime, bodies(messages, SurveySent))

    return handle
