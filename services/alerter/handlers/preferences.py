"""``customers.preferences``: erased customers are erased here too; other preferences do not concern cases."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import erasures
from services.alerter.settings import AlerterSettings
from shared.contracts import preferences
from shared.contracts.cloudevents import Message
from shared.contracts.preferences import Preference
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[AlerterSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        erased = []
        for message in messages:
            assert isinstance(message.body, Preference)
            if message.type == preferences.ERASED:
                erased.append(message.body)
        await erasures.erase(connection, runtime, erased)

    return handle
