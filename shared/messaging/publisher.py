"""Sends records, and tells those that cannot be published from a broker that is in trouble."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    OutOfOrderSequenceNumber,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)

from shared.messaging.fenced_producer import FencedProducer
from shared.messaging.records import Record
from shared.messaging.repository.outbox import Unpublished
from shared.settings import ServiceSettings

SEND_SECONDS = 10.0
# A batch may fail because of one of its records, so those of its topic are then sent one by one; so many at a time.
_ONE_BY_ONE = 200

# Trouble of the producer, its credentials or the broker, which no record causes.
_OF_PRODUCERS = (
    ClusterAuthorizationFailedError,
    OutOfOrderSequenceNumber,
    SaslAuthenticationFailed,
    TransactionalIdAuthorizationFailed,
)
_OF_TOPICS = (InvalidTopicError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a record cannot be published, and whether no other of its topic can."""

    reason: str
    whole_topic: bool


@dataclass(slots=True)
class Outcome:
    """What became of records; those in none of the lists were not sent, or it is unknown whether they arrived."""

    acknowledged: list[Unpublished] = field(default_factory=list)
    refused: list[tuple[Unpublished, Refused]] = field(default_factory=list)
    trouble: BaseException | None = None


class Publisher:
    """Remembers topics some of whose records were refused lately."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._doubtful: set[str] = set()

    async def publish(self, producer: FencedProducer, waiting: Sequence[Unpublished]) -> Outcome:
        """Sends the records in order; of one topic and key, none is sent behind one that was refused."""
        outcome = Outcome()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                possible = await self._possible(producer, waiting, outcome)
                doubtful = frozenset(self._doubtful)
                together = [each for each in possible if each.record.topic not in doubtful]
                await self._send_together(producer, together, outcome)
                for topic in sorted(doubtful):
                    if outcome.trouble is None and producer.usable:
                        of_topic = [each for each in possible if each.record.topic == topic]
                        await self._send_one_by_one(producer, topic, of_topic[:_ONE_BY_ONE], outcome)
        except TimeoutError as error:
            outcome.trouble = outcome.trouble or error
        return outcome

    async def publish_alone(self, producer: FencedProducer, record: Record) -> Refused | None:
        """Why it was refused, if it was. Raises KafkaError, OSError or TimeoutError for other trouble."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                topic = self._settings.topic(record.topic)
                if (obstacle := await producer.obstacle(topic)) is not None:
                    return Refused(obstacle, whole_topic=True)
                await producer.send_alone(topic, key=record.key, value=record.value, headers=record.headers)
        except Exception as error:
            if not _is_fault_of_record(error):
                raise
            return Refused(_reason(error), whole_topic=isinstance(error, _OF_TOPICS))
        return None

    async def _possible(
        self, producer: FencedProducer, waiting: Sequence[Unpublished], outcome: Outcome
    ) -> list[Unpublished]:
        """Without those of topics that cannot be written to, the first of each of which is refused."""
        firsts: dict[str, Unpublished] = {}
        for each in waiting:
            firsts.setdefault(each.record.topic, each)
        impossible = set()
        for topic, first in firsts.items():
            if (obstacle := await producer.obstacle(self._settings.topic(topic))) is not None:
                outcome.refused.append((first, Refused(obstacle, whole_topic=True)))
                impossible.add(topic)
        return [each for each in waiting if each.record.topic not in impossible] if impossible else list(waiting)

    async def _send_together(self, producer: FencedProducer, waiting: Sequence[Unpublished], outcome: Outcome) -> None:
        sent: list[tuple[Unpublished, asyncio.Future[object]]] = []
        held: set[tuple[str, bytes]] = set()
        try:
            for each in waiting:
                record = each.record
                if record.key is not None and (record.topic, record.key) in held:
                    continue
                try:
                    future = await producer.send(
                        self._settings.topic(record.topic), key=record.key, value=record.value, headers=record.headers
                    )
                except Exception as error:
                    if not _is_fault_of_record(error):
                        outcome.trouble = error
                        break
                    # Nothing of it was sent, so that is the record's own fault for sure.
                    outcome.refused.append((each, Refused(_reason(error), whole_topic=isinstance(error, _OF_TOPICS))))
                    if record.key is not None:
                        held.add((record.topic, record.key))
                else:
                    sent.append((each, future))
            if sent:
                await asyncio.wait([future for _, future in sent])
        finally:
            self._settle(sent, outcome)

    def _settle(self, sent: Sequence[tuple[Unpublished, asyncio.Future[object]]], outcome: Outcome) -> None:
        """What became of records that were sent together; which one of a batch was refused is not known."""
        for each, future in sent:
            if not future.done():
                continue
            failure = future.exception()
            if failure is None:
                outcome.acknowledged.append(each)
            elif _is_fault_of_record(failure):
                self._doubtful.add(each.record.topic)
            elif not isinstance(failure, OutOfOrderSequenceNumber) or each.record.topic not in self._doubtful:
                outcome.trouble = outcome.trouble or failure

    async def _send_one_by_one(
        self, producer: FencedProducer, topic: str, waiting: Sequence[Unpublished], outcome: Outcome
    ) -> None:
        refusals = len(outcome.refused)
        held: set[bytes] = set()
        for each in waiting:
            if each.record.key is not None and each.record.key in held:
                continue
            try:
                refused = await self.publish_alone(producer, each.record)
            except (KafkaError, OSError) as error:
                outcome.trouble = error
                return
            if refused is None:
                outcome.acknowledged.append(each)
                continue
            outcome.refused.append((each, refused))
            if each.record.key is not None:
                held.add(each.record.key)
            if refused.whole_topic or not producer.usable:
                return
        if len(outcome.refused) == refusals:
            self._doubtful.discard(topic)


def _is_fault_of_record(error: BaseException) -> bool:
    """Whether other records need not meet this error: it is not the producer's, and trying at once again is no help."""
    if isinstance(error, KafkaError):
        if isinstance(error, _OF_TOPICS):
            return True
        return isinstance(error, BrokerResponseError) and not error.retriable and not isinstance(error, _OF_PRODUCERS)
    return isinstance(error, Exception) and not isinstance(error, OSError)


def _reason(error: BaseException) -> str:
    """Names the error, without its text, in which there may be data."""
    return str(getattr(error, "message", None) or type(error).__name__)
