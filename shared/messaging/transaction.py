"""One batch, one transaction; and bisecting a failing batch down to the offending message."""

from collections.abc import Iterator, Mapping, Sequence

import structlog
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.contracts.cloudevents import Message
from shared.contracts.topics import Topic
from shared.messaging.dead_letters import DeadLetterLimit, set_aside
from shared.messaging.handler import Handler
from shared.messaging.records import DeadLetter
from shared.messaging.repository import positions
from shared.messaging.repository.positions import Positions
from shared.persistence.engine import is_fault_of_data
from shared.settings import ServiceSettings

log = structlog.get_logger()

Items = Sequence[Message | DeadLetter]


class BatchTransaction:
    """Commits batches. Topics are handled in the order of ``topics``: facts before what depends on them. A handler of
    several topics is called once, with the messages of all of them in this order."""

    def __init__(
        self,
        consumer: str,
        topics: Sequence[Topic],
        handlers: Mapping[str, Handler],
        engine: AsyncEngine,
        settings: ServiceSettings,
    ) -> None:
        missing = [topic.name for topic in topics if topic.name not in handlers]
        if missing:
            raise ValueError(f"{consumer} has no handler for {', '.join(missing)}")
        self._consumer = consumer
        self._order = [topic.name for topic in topics]
        self._handlers = handlers
        self._engine = engine
        self._limit = settings.dead_letter_limit

    async def commit(self, items: Items, *, expected: Positions, following: Positions) -> None:
        """Commits the batch and moves the positions from ``expected`` to ``following``.

        If the data is at fault, the batch is bisected down to the message, which becomes a dead letter; the parts
        that were committed stay committed. Raises Fenced, DeadLetterLimit, or the backend's error; ``expected`` is
        then the end of the committed part.
        """
        try:
            await self._attempt(items, expected=expected, following=following)
        except Exception as error:
            if not is_fault_of_data(error) or isinstance(error, _OWN_SIGNALS):
                raise
            if len(items) == 1:
                await self._attempt([_as_dead_letter(items[0], error)], expected=expected, following=following)
            else:
                half = len(items) // 2
                between = {**expected, **_after(items[:half])}
                await self.commit(items[:half], expected=expected, following=_only(between, expected))
                await self.commit(items[half:], expected=expected, following=following)
        expected.update(following)

    async def _attempt(self, items: Items, *, expected: Positions, following: Positions) -> None:
        messages: dict[str, list[Message]] = {}
        letters: list[DeadLetter] = []
        for item in items:
            if isinstance(item, Message):
                messages.setdefault(item.topic, []).append(item)
            else:
                letters.append(item)
        async with self._engine.begin() as connection:
            await positions.advance(connection, self._consumer, expected=expected, following=following)
            for handler, of_handler in self._by_handler(messages):
                await handler(connection, of_handler)
            if letters:
                await set_aside(connection, self._consumer, letters, self._limit)
        for topic, handled in messages.items():
            metrics.messages.labels(topic).inc(len(handled))

    def _by_handler(self, messages: Mapping[str, Sequence[Message]]) -> Iterator[tuple[Handler, list[Message]]]:
        """The messages of each handler, in the order of topics."""
        of_handlers: dict[Handler, list[Message]] = {}
        for topic in self._order:
            if topic in messages:
                of_handlers.setdefault(self._handlers[topic], []).extend(messages[topic])
        yield from of_handlers.items()


# Raised by the loop itself: they concern the batch, not a message in it.
_OWN_SIGNALS = (positions.Fenced, DeadLetterLimit)


def _after(items: Items) -> Positions:
    return {TopicPartition(item.topic, item.partition): item.offset + 1 for item in items}


def _only(positions_after: Mapping[TopicPartition, int], known: Positions) -> Positions:
    return {partition: offset for partition, offset in positions_after.items() if partition in known}


def _as_dead_letter(item: Message | DeadLetter, error: Exception) -> DeadLetter:
    if isinstance(item, DeadLetter):
        raise error
    log.error("a message cannot be handled and becomes a dead letter", topic=item.topic, error=type(error).__name__)
    return DeadLetter(
        topic=item.topic,
        partition=item.partition,
        offset=item.offset,
        key=item.key,
        value=item.value,
        headers=item.headers,
        reason=f"could not be handled: {type(error).__name__}",
    )
