"""All topics: locks what a batch of several topics concerns, then hands each topic's messages to its handler."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions import locks
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.cloudevents import Message
from shared.messaging.handler import Handler
from shared.runtime import Runtime


def handler(runtime: Runtime[DispatcherSettings], handlers: Mapping[str, Handler]) -> Handler:
    """The handler of all the topics of ``handlers``: of a batch with several of them, it gets all messages at once."""

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        by_topic = {topic: list(theirs) for topic, theirs in groupby(messages, lambda message: message.topic)}
        if len(by_topic) > 1:
            await locks.take(connection, runtime, messages)
        for topic, theirs in by_topic.items():
            await handlers[topic](connection, theirs)

    return handle
