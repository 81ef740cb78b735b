"""``customers.preferences``: what customers allow, and which are to be erased."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions import preferences
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.cloudevents import Message
from shared.contracts.preferences import Preference
from shared.messaging.bodies import with_bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[DispatcherSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await preferences.ingest(connection, with_bodies(messages, Preference), runtime.digests, runtime.clock.now())

    return handle
