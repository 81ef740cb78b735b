"""``surveys.requests``: a timer for each requested survey."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions import requests
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.cloudevents import Message
from shared.contracts.requests import SurveyRequested
from shared.messaging.bodies import with_bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[DispatcherSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await requests.ingest(connection, with_bodies(messages, SurveyRequested), runtime.clock.now())

    return handle
