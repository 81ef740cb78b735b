"""One batch, one transaction; and finding what is at fault when it fails, so that everything else goes on.

Who is at fault decides what happens:

- a **message**, when others of its topic can be handled: it becomes a dead letter, up to the limit of its topic;
- **our own code**, when no message of the topic can be handled: the topic stands still, nothing becomes a dead letter;
- the **size** of the batch, when it takes longer than the database allows: it is halved, and so are those after it;
- the **database**, otherwise: the error is raised, and the same batch is tried again.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import structlog
from aiokafka import TopicPartition
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import metrics
from shared.contracts.cloudevents import Message
from shared.contracts.topics import Topic
from shared.digests import CustomerDigests
from shared.messaging import stops
from shared.messaging.dead_letters import set_aside
from shared.messaging.handler import Handler, Rejected
from shared.messaging.letter_log import LetterLog
from shared.messaging.records import DeadLetter, shown_event_id
from shared.messaging.repository import dead_letters, positions
from shared.messaging.repository.positions import Fenced, Positions
from shared.messaging.stops import Stop
from shared.persistence.engine import is_fault_of_data, is_fault_of_statement, took_too_long
from shared.persistence.transaction import rolled_back, transaction
from shared.settings import ServiceSettings

log = structlog.get_logger()

Item = Message | DeadLetter
Items = Sequence[Item]

# Other messages of the topic that are tried before one of them is taken to be at fault.
_TRIALS = 12
# As many messages one after the other, each alone in its batch, may be at fault before our own code is taken to be.
_ALONE_AT_FAULT = 3
_TOO_SLOW_ALONE = 3
_HERE = Path(__file__).resolve().parents[2]


class HandlerFailed(Exception):
    """A handler raised ``cause``; the transaction was rolled back."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


class BatchTransaction:
    """Commits batches. Topics are handled in the order of ``topics``: facts before what depends on them. A handler of
    several topics is called once, with the messages of all of them in this order.

    ``tick`` is called before each attempt. ``size`` is the most items that are committed at once.
    """

    def __init__(
        self,
        consumer: str,
        topics: Sequence[Topic],
        handlers: Mapping[str, Handler],
        engine: AsyncEngine,
        settings: ServiceSettings,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        missing = [topic.name for topic in topics if topic.name not in handlers]
        if missing:
            raise ValueError(f"{consumer} has no handler for {', '.join(missing)}")
        self._consumer = consumer
        self._order = [topic.name for topic in topics]
        self._handlers = handlers
        self._engine = engine
        self._limit = settings.dead_letter_limit
        self._largest = settings.consumer_batch_size
        self._tick = tick
        self._letter_log = LetterLog(consumer)
        self._digests = CustomerDigests(settings.secrets[-1])
        self.size = settings.consumer_batch_size
        # By topic: the records, each alone in its batch, that could not be handled since one last was.
        self._alone: dict[str, set[tuple[int, int]]] = {}
        self._slow: Counter[tuple[str, int, int]] = Counter()

    async def commit(self, items: Items, *, expected: Positions, following: Positions) -> list[Stop]:
        """Commits the batch and moves the positions from ``expected`` to ``following``; returns where it stood still.

        What is not at fault is committed, up to the first record of each partition that has to wait. Raises Fenced,
        or the backend's error; ``expected`` is then the end of what was committed.
        """
        batch = _Batch(items)
        found: list[Stop] = [*self._undecodable(batch)]
        parts = deque(_slices(batch.items, self.size))
        whole = len(parts) <= 1 and not found
        while parts:
            part = _without(parts.popleft(), found)
            if not part:
                continue
            target = following if whole else _after(part)
            started = time.monotonic()
            try:
                found += await self._attempt(part, expected, target)
            except Exception as error:
                whole = False
                smaller = await self._divide(part, error, time.monotonic() - started, batch, found)
                parts.extendleft(reversed(smaller))
            else:
                self._succeeded(part, batch)
        rest = {
            partition: offset
            for partition, offset in following.items()
            if expected[partition] < offset and not any(stop.concerns(*partition) for stop in found)
        }
        if rest:  # behind the last record there were only transaction markers
            await self._attempt([], expected, rest)
        return found

    def tell_rest(self, *, last: bool = False) -> None:
        """Says now and then, and at the ``last``, how many dead letters there were that have no line in the log."""
        if last:
            self._letter_log.close()
        else:
            self._letter_log.tell_rest()

    def _succeeded(self, part: Items, batch: "_Batch") -> None:
        for topic in {item.topic for item in part if isinstance(item, Message)}:
            batch.handled.add(topic)
            self._alone.pop(topic, None)
        if len(part) >= self.size:
            self.size = min(self._largest, 2 * self.size)

    async def _attempt(self, items: Items, expected: Positions, following: Positions) -> list[Stop]:
        """Commits the items that may be, moves ``expected`` on, and returns the stops at their topics' limits."""
        self._tick()
        async with transaction(self._engine) as connection:
            room = {
                topic: await dead_letters.room(connection, self._consumer, topic=topic, limit=self._limit)
                for topic in sorted({item.topic for item in items if isinstance(item, DeadLetter)})
            }
            kept, full = _up_to_limit(items, room) if room else (items, ())
            target = _before(following, full, expected)
            await positions.advance(connection, self._consumer, expected=expected, following=target)
            messages: dict[str, list[Message]] = {}
            for item in kept:
                if isinstance(item, Message):
                    messages.setdefault(item.topic, []).append(item)
            for handler, of_handler in self._by_handler(messages):
                try:
                    await handler(connection, of_handler)
                except Exception as error:
                    raise HandlerFailed(error) from error
            letters = [item for item in kept if isinstance(item, DeadLetter)] if room else []
            if letters:
                await set_aside(connection, self._consumer, letters, self._digests)
            found = [await self._at_limit(connection, letter) for letter in full]
        expected.update(target)
        for topic, handled in messages.items():
            metrics.messages.labels(topic).inc(len(handled))
            for message in handled:
                for adjustment in message.adjustments:
                    metrics.adjusted_fields.labels(topic, adjustment.field, adjustment.change).inc()
        for letter in letters:
            metrics.dead_letters.labels(letter.topic).inc()
        self._letter_log.tell(letters)
        return found

    async def _at_limit(self, connection: AsyncConnection, letter: DeadLetter) -> Stop:
        reasons = await dead_letters.reasons(connection, self._consumer, topic=letter.topic)
        told = stops.limit_reached(
            letter.topic, self._consumer, limit=self._limit, reasons=reasons, reason=letter.short_reason
        )
        return _stop_at(letter, "dead_letter_limit", told)

    def _by_handler(self, messages: Mapping[str, Sequence[Message]]) -> Iterator[tuple[Handler, list[Message]]]:
        """The messages of each handler, in the order of topics."""
        of_handlers: dict[Handler, list[Message]] = {}
        for topic in self._order:
            if topic in messages:
                of_handlers.setdefault(self._handlers[topic], []).extend(messages[topic])
        yield from of_handlers.items()

    # Who is at fault -------------------------------------------------------------------------------------------

    async def _divide(
        self,
        part: Items,
        error: Exception,
        seconds: float,
        batch: "_Batch",
        found: list[Stop],
    ) -> list[Items]:
        """What to try next instead of ``part``; nothing when its only item is settled. Raises what only time heals."""
        cause = error.cause if isinstance(error, HandlerFailed) else error
        if isinstance(cause, Fenced):
            raise cause
        if isinstance(cause, Rejected):
            reasons = {id(message): reason for message, reason in cause.messages}
            return [[_dead_letter(item, reasons[id(item)]) if id(item) in reasons else item for item in part]]  # type: ignore[arg-type]
        slow = took_too_long(cause, seconds)
        if not slow and not (
            isinstance(error, HandlerFailed) and (is_fault_of_data(cause) or is_fault_of_statement(cause))
        ):
            raise cause
        if slow:
            self.size = max(1, min(self.size, len(part)) // 2)
            log.warning("a batch took longer than the database allows; it is halved", records=len(part))
        topics = [topic for topic in self._order if any(item.topic == topic for item in part)]
        if len(topics) > 1:
            return [[item for item in part if item.topic == topic] for topic in topics]
        if len(part) > 1:
            half = len(part) // 2
            return [part[:half], part[half:]]
        (item,) = part
        if isinstance(item, DeadLetter):
            raise cause
        if slow:
            place = (item.topic, item.partition, item.offset)
            self._slow[place] += 1
            if self._slow[place] < _TOO_SLOW_ALONE:
                raise cause
            del self._slow[place]
            told = stops.too_slow(item.topic, place=_place(item))
            found.append(_stop_at(item, "own_fault", told))
            return []
        if await self._only_this_one(item, batch):
            return [[_as_dead_letter(item, cause)]]
        told = stops.own_fault(item.topic, error=_name(cause), place=_where(cause))
        found.append(_stop_at(item, "own_fault", told, whole_topic=True))
        return []

    async def _only_this_one(self, item: Message, batch: "_Batch") -> bool:
        """Whether others of its topic can be handled, so that the fault is the message's, and not our own code's."""
        if item.topic in batch.handled:
            return True
        others = batch.others(item)
        for other in _spread(others, _TRIALS):
            if await self._would_be_handled(other):
                batch.handled.add(item.topic)
                return True
        return not others and self._first_few_alone(item)

    def _first_few_alone(self, item: Item) -> bool:
        """With no other message to compare with, the first few are taken to be at fault themselves."""
        alone = self._alone.setdefault(item.topic, set())
        place = (item.partition, item.offset)
        if place not in alone and len(alone) >= _ALONE_AT_FAULT:
            return False
        alone.add(place)
        return True

    async def _would_be_handled(self, message: Message) -> bool:
        self._tick()
        async with rolled_back(self._engine) as connection:
            try:
                await self._handlers[message.topic](connection, [message])
            except Rejected:
                return True  # our code works: it knows what is wrong with this one
            except Exception as error:
                if is_fault_of_data(error) or is_fault_of_statement(error):
                    return False
                raise
        return True

    def _undecodable(self, batch: "_Batch") -> list[Stop]:
        """The topics of which nothing could be decoded, because our own code failed."""
        if not any(isinstance(item, DeadLetter) for item in batch.items):
            return []
        found = []
        for topic in self._order:
            theirs = [item for item in batch.items if item.topic == topic]
            unexpected = [item for item in theirs if isinstance(item, DeadLetter) and item.unexpected]
            if not unexpected or len(unexpected) < len(theirs):
                continue
            if len(unexpected) > 1 or not self._first_few_alone(unexpected[0]):
                told = stops.own_fault(topic, error=unexpected[0].reason, place="decoding")
                found.append(_stop_at(unexpected[0], "own_fault", told, whole_topic=True))
        return found


def remaining(items: Items, positions_now: Positions) -> list[Item]:
    """The items that are not committed yet, of a batch that was committed in part."""
    return [item for item in items if item.offset >= positions_now[TopicPartition(item.topic, item.partition)]]


class _Batch:
    """The items of a batch, and the topics of which a message could be handled."""

    def __init__(self, items: Items) -> None:
        self.items = items
        self.handled: set[str] = set()

    def others(self, item: Message) -> list[Message]:
        return [
            other
            for other in self.items
            if isinstance(other, Message) and other.topic == item.topic and other is not item
        ]


def _up_to_limit(items: Items, room: Mapping[str, int]) -> tuple[list[Item], list[DeadLetter]]:
    """The items up to the first dead letter of each partition that its topic has no room for, and these letters."""
    left = dict(room)
    kept: list[Item] = []
    full: dict[tuple[str, int], DeadLetter] = {}
    for item in items:
        if full and (item.topic, item.partition) in full:
            continue
        if isinstance(item, DeadLetter):
            if left[item.topic] == 0:
                full[item.topic, item.partition] = item
                continue
            left[item.topic] -= 1
        kept.append(item)
    return kept, list(full.values())


def _before(following: Positions, full: Iterable[DeadLetter], expected: Positions) -> Positions:
    """``following``, but only up to the letters in ``full``; without the partitions that would not move."""
    target = dict(following)
    for letter in full:
        target[TopicPartition(letter.topic, letter.partition)] = letter.offset
    # A gap before the letter, of compaction or transaction markers, is passed as well.
    return {partition: offset for partition, offset in target.items() if offset > expected[partition]}


def _slices(items: Items, size: int) -> list[Items]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _spread(messages: Sequence[Message], most: int) -> list[Message]:
    """At most so many of them, from all over, the last one included."""
    step = max(1, -(-len(messages) // most))
    return list(messages[::-1][::step])


def _without(items: Items, found: Sequence[Stop]) -> Items:
    """The items of partitions that do not stand still."""
    if not found:
        return items
    return [item for item in items if not any(stop.concerns(item.topic, item.partition) for stop in found)]


def _after(items: Items) -> Positions:
    return {TopicPartition(item.topic, item.partition): item.following for item in items}


def _stop_at(item: Item, cause: stops.Cause, explanation: str, *, whole_topic: bool = False) -> Stop:
    return Stop(
        topic=item.topic,
        partition=item.partition,
        offset=item.offset,
        cause=cause,
        explanation=explanation,
        whole_topic=whole_topic,
    )


def _place(item: Item) -> str:
    return f"partition {item.partition}, offset {item.offset}"


def _name(error: BaseException) -> str:
    """The kind of error; never its text, which may hold personal data."""
    code = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return type(error).__name__ + (f" {code}" if code else "")


def _where(error: BaseException) -> str:
    """The innermost line of our own code that the error passed through."""
    found = "unknown place"
    trace = error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(_HERE) and "site-packages" not in file.parts:
            found = f"{file.relative_to(_HERE)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _as_dead_letter(item: Message, error: Exception) -> DeadLetter:
    return _dead_letter(item, f"could not be handled: {_name(error)}")


def _dead_letter(item: Message, reason: str) -> DeadLetter:
    return DeadLetter(
        topic=item.topic,
        partition=item.partition,
        offset=item.offset,
        key=item.key,
        value=item.value,
        headers=item.headers,
        reason=reason,
        event_id=shown_event_id(item.event_id),
    )
