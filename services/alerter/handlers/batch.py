"""All topics: locks what a batch concerns, then hands each topic's messages to its handler."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import locks
from services.alerter.settings import AlerterSettings
from shared.contracts import preferences
from shared.contracts.answers import Answer, AnswerErased
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import Preference
from shared.contracts.sends import SurveySent
from shared.contracts.shared_ids import SharedId
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[AlerterSettings], handlers: Mapping[str, Handler]) -> Handler:
    """The handler of all the topics of ``handlers``: of a batch with several of them, it gets all messages at once."""

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await locks.take(connection, runtime, _concerned(messages))
        for topic, of_topic in groupby(messages, lambda message: message.topic):
            await handlers[topic](connection, list(of_topic))

    return handle


def _concerned(messages: Sequence[Message]) -> locks.Concerned:
    concerned = locks.Concerned()
    for message in messages:
        body = message.body
        if isinstance(body, OrderEvent):
            concerned.orders.append(body)
        elif isinstance(body, SurveySent):
            concerned.customer_ids.add(body.customer_id)
        elif isinstance(body, SharedId):
            concerned.shared_ids.add(body.customer_id)
        elif isinstance(body, Preference) and message.type == preferences.ERASED:
            concerned.erased_ids.add(body.customer_id)
        elif isinstance(body, Answer | AnswerErased):
            concerned.answer_ids.add(body.answer_id)
            if isinstance(body, Answer) and body.customer_id is not None:
                concerned.answered_ids.add(body.customer_id)
    return concerned
