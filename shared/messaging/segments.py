"""Lets Kafka compact partitions to which nothing is written any more, so that what was erased leaves its disks.

Kafka compacts only closed segments, and closes one by its age only when something is appended to the partition: the
last records of a quiet partition stay for ever, also those that a newer one, such as an erasure, has replaced. So a
transaction without records is committed now and then. Its marker is appended to every partition, and closes what has
to be closed; it delays no reader, and no consumer sees it.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    InvalidProducerEpoch,
    InvalidTopicError,
    KafkaError,
    NoError,
    OperationNotAttempted,
    ProducerFenced,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest

from shared.contracts.topics import CATALOGUE, compacted_topics_of, segment_seconds
from shared.messaging.topics import topic_names
from shared.settings import ServiceSettings

log = structlog.get_logger()

_RETRY_SECONDS = 60.0
_SECONDS = 30.0
# A topic made a moment ago is not known to every broker yet.
_METADATA_SECONDS = 10.0
_METADATA_EVERY = 0.2
# A broker's first transaction ever waits until the topic of transactions has been made.
_PASSING_SECONDS = 1.0
_ATTEMPTS = 8
_REQUEST_MILLISECONDS = 10_000
# When the broker gives up a transaction whose process has died.
_TRANSACTION_MILLISECONDS = 10_000
# Another process does the same at this moment.
_FENCED = (ConcurrentTransactions, InvalidProducerEpoch, ProducerFenced)
_OF_TOPICS = (InvalidTopicError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError)

_SOME_NOT_CLOSED = "cannot close old segments of some topics"


class SegmentLoop:
    """Of the compacted topics to which ``service`` publishes, all replicas alike."""

    def __init__(self, settings: ServiceSettings, service: str) -> None:
        self._settings = settings
        self._service = service
        self._every = segment_seconds(settings.forget_days)
        self._done_at: float | None = None

    @property
    def look_seconds(self) -> float:
        """How often to call ``step``, which does something once in the time after which segments are closed."""
        return min(_RETRY_SECONDS, self._every)

    async def step(self) -> bool:
        """One round of a loop: never more to do.

        Whatever the broker refuses for longer than a moment is tried again at the next step; nothing else depends on
        it, so it is only logged.
        """
        if self._done_at is None or time.monotonic() - self._done_at > self._every:
            now = time.monotonic()
            try:
                async with asyncio.timeout(_SECONDS):
                    await self._until_appended()
                self._done_at = now
            except (KafkaError, OSError, TimeoutError) as error:
                if not _is_passing(error):
                    log.warning(
                        "cannot close old segments, so erased records of quiet partitions stay on Kafka's disks",
                        error=type(error).__name__,
                    )
        return False

    async def _until_appended(self) -> None:
        for _ in range(_ATTEMPTS - 1):
            try:
                await self._append_markers()
            except KafkaError as error:
                if not _is_passing(error):
                    raise
            else:
                return
            await asyncio.sleep(_PASSING_SECONDS)
        await self._append_markers()

    async def _append_markers(self) -> None:
        # What was made a moment ago may not be listed yet; queues for followups are known by the list alone.
        names = {topic.name for topic in CATALOGUE} | await topic_names(self._settings)
        topics = [self._settings.topic(name) for name in compacted_topics_of(self._service, names)]
        if not topics:
            return
        client = AIOKafkaClient(
            **self._settings.connection(),
            client_id=f"hearback-{self._service}-segments",
            request_timeout_ms=_REQUEST_MILLISECONDS,
        )
        try:
            await client.bootstrap()
            partitions = await _partitions(client, topics)
            if missing := sorted(set(topics) - partitions.keys()):
                log.warning(_SOME_NOT_CLOSED, reasons=dict.fromkeys(missing, UnknownTopicOrPartitionError.__name__))
            transactional_id = f"hearback.{self._settings.topic(self._service)}.segments"
            await EmptyTransaction(client, transactional_id).commit(partitions)
        finally:
            await client.close()


class EmptyTransaction:
    """Of a transactional id; a later one fences those before it. Every request may raise a KafkaError."""

    def __init__(self, client: AIOKafkaClient, transactional_id: str) -> None:
        self._client = client
        self._transactional_id = transactional_id
        self._coordinator = -1

    async def commit(self, partitions: dict[str, list[int]]) -> None:
        """Appends a marker to these partitions, by topic. Topics we may not write to are left out, and told of."""
        self._coordinator = await self._client.coordinator_lookup(CoordinationType.TRANSACTION, self._transactional_id)
        await self._client.ready(self._coordinator, group=ConnectionGroup.COORDINATION)
        begun = await self._ask(InitProducerIdRequest(self._transactional_id, _TRANSACTION_MILLISECONDS))
        _check(begun.error_code)
        producer = (self._transactional_id, begun.producer_id, begun.producer_epoch)
        while partitions:
            response = await self._ask(AddPartitionsToTxnRequest(*producer, list(partitions.items())))
            refused = _refused(response.errors)
            if not refused:
                _check((await self._ask(EndTxnRequest(*producer, True))).error_code)
                return
            log.warning(_SOME_NOT_CLOSED, reasons=refused)
            partitions = {topic: numbers for topic, numbers in partitions.items() if topic not in refused}

    async def _ask(self, request: Any) -> Any:
        return await self._client.send(self._coordinator, request, group=ConnectionGroup.COORDINATION)


async def _partitions(client: AIOKafkaClient, topics: Sequence[str]) -> dict[str, list[int]]:
    """The partitions of each topic, in order, without topics that stay unknown. Raises a KafkaError."""
    await client.set_topics(topics)
    deadline = time.monotonic() + _METADATA_SECONDS
    while not all(client.cluster.partitions_for_topic(topic) for topic in topics) and time.monotonic() < deadline:
        await asyncio.sleep(_METADATA_EVERY)
        await client.force_metadata_update()
    known = {topic: client.cluster.partitions_for_topic(topic) for topic in topics}
    return {topic: sorted(numbers) for topic, numbers in known.items() if numbers}


def _is_passing(error: Exception) -> bool:
    """Whether it is not worth a line in the log: brokers that move or start are told of by all that needs them."""
    return isinstance(error, _FENCED) or (isinstance(error, KafkaError) and bool(error.retriable))


def _refused(errors: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> dict[str, str]:
    """Why partitions cannot be part of a transaction, by topic. Raises the KafkaError of a transaction that cannot."""
    refused: dict[str, str] = {}
    for topic, codes in errors:
        for _partition, code in codes:
            error = for_code(code)
            if error is NoError or error is OperationNotAttempted:  # because another was refused
                continue
            if not issubclass(error, _OF_TOPICS):
                raise error
            refused[topic] = error.__name__
    return refused


def _check(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error
