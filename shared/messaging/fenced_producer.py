"""A Kafka producer that shuts out every earlier one of the same name, and leaves nothing behind when it is abandoned.

Kafka increments the epoch of a transactional id each time a producer introduces itself (InitProducerId, KIP-98), and a
partition refuses batches of an older epoch as soon as it has seen a newer one, also when the epoch was increased for
records that belong to no transaction. So records can be published at the price of an idempotent producer, and fenced
like a transactional one. aiokafka has no such producer; the few methods replaced here are those of its version 0.14.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import (
    BrokerResponseError,
    KafkaConnectionError,
    KafkaError,
    OutOfOrderSequenceNumber,
    UnknownError,
)
from aiokafka.producer.sender import InitPIDHandler, Sender, SendProduceReqHandler
from aiokafka.protocol.transaction import InitProducerIdRequest

# Of no consequence, because no transaction is ever begun; brokers reject more than 15 minutes.
_TRANSACTION_MILLISECONDS = 60_000
# Does not stand still while the machine is suspended, as the monotonic clock does. Only Linux has it.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


# A topic may have been created a moment ago.
_METADATA_ATTEMPTS = 3
_METADATA_PAUSE_SECONDS = 0.1


class TooLate(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """This process slept between reading the records and sending them; another one may have published them since."""


def boot_seconds() -> float:
    """Seconds since the machine was started, including those in which it was suspended."""
    return time.clock_gettime(_BOOT_CLOCK)


class FencedProducer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """An idempotent producer whose ``start`` fences every earlier one with the same ``transactional_id``.

    What an earlier one sends afterwards, or has on its way, is refused by each partition to which this one has
    written; the earlier one then gets ``ProducerFenced``. Records are not part of a transaction.
    """

    def __init__(self, *, transactional_id: str, request_timeout_ms: int, **options: Any) -> None:
        super().__init__(enable_idempotence=True, acks="all", request_timeout_ms=request_timeout_ms, **options)
        self._sender = self._fenced_sender = _FencedSender(
            transactional_id,
            self.client,
            acks=-1,
            txn_manager=self._txn_manager,
            retry_backoff_ms=100,
            message_accumulator=self._message_accumulator,
            request_timeout_ms=request_timeout_ms,
        )
        self.opened_at = boot_seconds()

    @property
    def usable(self) -> bool:
        """False when it is not known whether the broker has seen a batch; another producer must then be opened."""
        return self._fenced_sender.usable

    def send_until(self, moment: float) -> None:
        """What has not been handed to the network by then, in ``boot_seconds``, fails with TooLate.

        To be called when nothing is being sent. Partitions that refused something accept records again.
        """
        self._fenced_sender.until = moment
        self._fenced_sender.failed.clear()

    async def send_alone(self, topic: str, **record: Any) -> None:
        """Sends while nothing else is being sent, so that a failure is of this record; returns when acknowledged."""
        self._fenced_sender.failed.clear()
        await self.send_and_wait(topic, **record)

    async def obstacle(self, topic: str) -> str | None:
        """Why nothing can be sent to this topic now, in a few words; None if the broker knows it and its leaders.

        ``send`` instead would wait for the topic, and everything behind it, too. Raises KafkaConnectionError when no
        broker answers: that says nothing about the topic.
        """
        answered = False
        for attempt in range(_METADATA_ATTEMPTS):
            cluster = self.client.cluster
            partitions = cluster.partitions_for_topic(topic)
            if partitions is not None and len(cluster.available_partitions_for_topic(topic)) == len(partitions):
                return None
            if attempt:
                await asyncio.sleep(_METADATA_PAUSE_SECONDS)
            await self.client.add_topic(topic)
            answered = await self.client.force_metadata_update()
        if not answered:
            raise KafkaConnectionError(f"no broker answers what it knows of {topic}")
        if topic in self.client.cluster.unauthorized_topics:
            return "not authorized to write to the topic"
        if self.client.cluster.partitions_for_topic(topic) is None:
            return "the topic does not exist"
        return "a partition of the topic has no leader"

    async def abandon(self) -> None:
        """Ends all tasks and connections without waiting for the broker. Nothing is sent afterwards.

        ``stop`` instead waits until everything has been acknowledged, and when it is cancelled, its tasks go on trying.
        """
        self._closed = True
        for connection in self.client._conns.values():  # noqa: SLF001  # its close() waits for a broken network
            if (writer := connection._writer) is not None:  # noqa: SLF001  # the same
                writer.transport.abort()
        tasks = self._fenced_sender.tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.client.close()


class _FencedSender(Sender):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's sender with the producer id of a transactional id, but no transactions."""

    def __init__(self, transactional_id: str, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        self.transactional_id = transactional_id
        self.until = float("inf")
        self._requests: set[asyncio.Task[None]] = set()
        # Partitions of which a batch failed: nothing follows it, so that the order is kept.
        self.failed: set[Any] = set()
        self.usable = True

    def tasks(self) -> list[asyncio.Task[None]]:
        """All that are running."""
        return [*self._requests, *([self.sender_task] if self.sender_task is not None else [])]

    async def _maybe_wait_for_pid(self) -> None:
        while not self._txn_manager.has_pid():
            coordinator = await self._find_coordinator(CoordinationType.TRANSACTION, self.transactional_id)
            await _Introduction(self).do(coordinator)

    async def _send_produce_req(self, node_id: int, batches: Mapping[Any, Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            # Connects first, so that nothing can take long between looking at the clock and writing.
            await self.client.ready(node_id)
            for partition, batch in batches.items():
                if boot_seconds() > self.until:
                    batch.failure(TooLate())
                elif partition in self.failed:
                    batch.failure(OutOfOrderSequenceNumber())
            if going := {partition: batch for partition, batch in batches.items() if not batch.future.done()}:
                await SendProduceReqHandler(self, going).do(node_id)
            for partition, batch in batches.items():
                if batch.future.done() and (error := batch.future.exception()) is not None:
                    self.failed.add(partition)
                    self._take_back(partition, batch, error, sent=partition in going)
            self._in_flight.remove(node_id)
            self._muted_partitions -= batches.keys()
        finally:
            self._requests.discard(task)

    def _take_back(self, partition: Any, batch: Any, error: BaseException, *, sent: bool) -> None:
        """Uses the sequence numbers of a batch again if the broker certainly has none of it.

        As Kafka's own producer does (``TransactionManager.adjustSequencesDueToFailedBatch``). The partition is muted,
        so no later batch has a sequence number yet.
        """
        refused = isinstance(error, BrokerResponseError) and not error.retriable and not isinstance(error, UnknownError)
        if sent and not (refused and batch.retry_count == 1):
            self.usable = False
        else:
            self._txn_manager.increment_sequence_number(partition, -batch.record_count)


class _Introduction(InitPIDHandler):  # type: ignore[misc]  # aiokafka has no types
    group = ConnectionGroup.COORDINATION

    def create_request(self) -> InitProducerIdRequest:
        return InitProducerIdRequest(
            transactional_id=self._sender.transactional_id, transaction_timeout_ms=_TRANSACTION_MILLISECONDS
        )
