"""``surveys.sends``: the surveys customers were sent are shown with their cases."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import sends
from services.alerter.settings import AlerterSettings
from shared.contracts.cloudevents import Message
from shared.contracts.sends import SurveySent
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[AlerterSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await sends.store(connection, runtime, bodies(messages, SurveySent))

    return handle
