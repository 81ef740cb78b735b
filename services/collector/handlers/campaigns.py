"""``surveys.campaigns``: the texts and the brand that pages show."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions import campaigns
from services.collector.settings import CollectorSettings
from shared.contracts.campaigns import CampaignPublished
from shared.contracts.cloudevents import Message
from shared.messaging.bodies import bodies
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(_runtime: Runtime[CollectorSettings]) -> Handler:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await campaigns.store(connection, bodies(messages, CampaignPublished))

    return handle
