"""What the courier does with a batch of ``surveys.sends``: one delivery for each survey, in the queue."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.channels.email.message import message_id
from services.dispatcher.courier.domain.addresses import Mailbox
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.repository.deliveries import Sent
from shared.contracts import sends
from shared.contracts.cloudevents import Message
from shared.contracts.sends import SurveySent
from shared.messaging.handler import Handler


def handle_sends(sender: Mailbox) -> Handler:
    """The handler; ``sender`` is the address whose domain the Message-IDs carry."""

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        surveys: dict[str, Sent] = {}
        for message in messages:
            # A reminder is a mail of its own and needs a delivery of its own; nothing publishes one yet.
            if message.type == sends.SENT and isinstance(message.body, SurveySent):
                survey = message.body
                surveys.setdefault(
                    survey.send_id, Sent(survey, message_id(survey.send_id, sender), message.traceparent)
                )
        if surveys:
            await repository.queue(connection, list(surveys.values()))

    return handle
