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
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber
from aiokafka.producer.sender import InitPIDHandler, Sender, SendProduceReqHandler
from aiokafka.protocol.transaction import InitProducerIdRequest

# Of no consequence, because no transaction is ever begun; brokers reject more than 15 minutes.
_TRANSACTION_MILLISECONDS = 60_000
# Does not stand still while the machine is suspended, as the monotonic clock does. Only Linux has it.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


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

    def send_until(self, moment: float) -> None:
        """What has not been handed to the network by then, in ``boot_seconds``, fails with TooLate."""
        self._fenced_sender.until = moment

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
        # Nothing follows a batch that failed; a broker that has not seen this producer before would accept it.
        self._failed: set[Any] = set()

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
                elif partition in self._failed:
                    batch.failure(OutOfOrderSequenceNumber())
            if going := {partition: batch for partition, batch in batches.items() if not batch.future.done()}:
                await SendProduceReqHandler(self, going).do(node_id)
            self._failed |= {
                partition
                for partition, batch in batches.items()
                if batch.future.done() and batch.future.exception() is not None
            }
            self._in_flight.remove(node_id)
            self._muted_partitions -= batches.keys()
        finally:
            self._requests.discard(task)


class _Introduction(InitPIDHandler):  # type: ignore[misc]  # aiokafka has no types
    group = ConnectionGroup.COORDINATION

    def create_request(self) -> InitProducerIdRequest:
        return InitProducerIdRequest(
            transactional_id=self._sender.transactional_id, transaction_timeout_ms=_TRANSACTION_MILLISECONDS
        )
