"""The consumer loop: a batch's changes, its events and its position are committed in one transaction.

The path of a batch: fetch → decode (``decoding.py``) → fence, handlers, dead letters in one transaction
(``transaction.py``) → Kafka commit in the background, for lag monitoring only. While one batch's transaction runs, the
next one is fetched and decoded.

The odd-looking parts are workarounds for aiokafka 0.14: it swallows exceptions in a rebalance listener, so ours only
records that something changed; a lock held around ``getmany`` would deadlock with the listener, so there is none; a
member that does not call ``getmany`` for ``max_poll_interval_ms`` leaves the group, so a retrying loop keeps polling
paused partitions; ``rebalance_timeout_ms`` defaults to the session timeout.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.backoff import Backoff
from shared.contracts.cloudevents import Message
from shared.contracts.topics import Topic
from shared.health import Health
from shared.loops import wait
from shared.messaging.dead_letters import DeadLetterLimit
from shared.messaging.decoding import decode
from shared.messaging.handler import Handler
from shared.messaging.records import DeadLetter
from shared.messaging.repository.positions import Fenced, Positions
from shared.messaging.starting import PositionsAheadOfTopic, starting_positions, stored_name
from shared.messaging.transaction import BatchTransaction
from shared.persistence.engine import is_fault_of_data
from shared.settings import ServiceSettings

log = structlog.get_logger()

_FETCH_SECONDS = 0.2
_KAFKA_COMMIT_SECONDS = 1.0
_REBALANCE_MILLISECONDS = 60_000
_MAX_POLL_MILLISECONDS = 120_000
_PROBE_SECONDS = 2.0
# Generations count from 0.
_NEVER = -1
_DROPPED = -2


@dataclass(slots=True)
class Batch:
    """Decoded records in fetch order; ``following`` is each partition's position after them."""

    items: list[Message | DeadLetter] = field(default_factory=list)
    following: Positions = field(default_factory=dict)
    generation: int = 0
    fetched_at: float = 0.0


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Counts rebalances; the loop compares the counts and then reads the assignment itself."""

    def __init__(self) -> None:
        self.generation = 0

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        self.generation += 1

    async def on_partitions_assigned(self, _assigned: set[TopicPartition]) -> None:
        self.generation += 1


class Consumer:
    """Reads ``topics`` as the consumer group ``name`` and passes each topic's messages to its handler."""

    def __init__(
        self,
        name: str,
        topics: Sequence[Topic],
        handlers: Mapping[str, Handler],
        *,
        engine: AsyncEngine,
        settings: ServiceSettings,
        health: Health,
        wake_relay: Any,
    ) -> None:
        self.name = name
        self.loop_name = f"{name} consumer"
        self._topics = {settings.topic(topic.name): topic for topic in topics}
        self._engine = engine
        self._settings = settings
        self._health = health
        self._wake_relay = wake_relay
        self._transaction = BatchTransaction(name, list(topics), handlers, engine, settings)
        self._assignments = _Assignments()
        self._synchronized = _NEVER
        self._next: Positions = {}
        self._kafka: AIOKafkaConsumer | None = None
        self._connected = False
        self._rejoining = Backoff(first=0.1, longest=settings.retry_limit_seconds)
        self._committed: Positions = {}
        self._committing: asyncio.Task[None] | None = None
        self._committed_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until ``stop``, and finishes the batch in progress. Raises only what a restart might fix."""
        self._health.trouble(self.loop_name, sentence="is joining its consumer group")
        self._health.add_check(f"{self.name} kafka", self._probe)
        while not stop.is_set():
            try:
                await self._start()
                await self._consume(stop)
            except PositionsAheadOfTopic:
                raise
            except Exception as error:
                if is_fault_of_data(error):
                    raise
                await self._meet_trouble(error, self._rejoining.failed(), stop)
            finally:
                await self._close()
        self._health.forget(self.loop_name)

    # One member of the group -----------------------------------------------------------------------------------

    async def _start(self) -> None:
        session = int(self._settings.consumer_session_seconds * 1_000)
        kafka = AIOKafkaConsumer(
            *self._topics,
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            group_id=self._settings.topic(f"hearback.{self.name}"),
            client_id=f"hearback-{self.name}",
            enable_auto_commit=False,
            # If a shop publishes in transactions, only what it committed counts.
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            session_timeout_ms=session,
            heartbeat_interval_ms=min(1_000, session // 3),
            rebalance_timeout_ms=_REBALANCE_MILLISECONDS,
            max_poll_interval_ms=_MAX_POLL_MILLISECONDS,
            # A fetch stalls for this long when another partition is idle; the default of 500 ms is noticeable.
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=2_097_152,
        )
        kafka.subscribe(topics=list(self._topics), listener=self._assignments)
        self._kafka = kafka
        await kafka.start()
        self._connected = True

    async def _close(self) -> None:
        kafka, self._kafka = self._kafka, None
        self._connected = False
        self._synchronized = _NEVER
        self._next = {}
        if self._committing is not None:
            self._committing.cancel()
            self._committing = None
        if kafka is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(kafka.stop(), 5)

    async def _consume(self, stop: asyncio.Event) -> None:
        running: asyncio.Task[bool] | None = None
        try:
            while not stop.is_set():
                self._health.tick(self.loop_name)
                if self._synchronized != self._assignments.generation:
                    if running is not None:
                        await self._finish(running)
                        running = None
                    await self._synchronize()
                batch = await self._fetch()
                if running is not None and (batch.items or running.done()):
                    await self._finish(running)
                    running = None
                if batch.generation != self._assignments.generation:
                    self._synchronized = _NEVER
                if batch.items and self._synchronized == batch.generation:
                    expected = {partition: self._next[partition] for partition in batch.following}
                    self._next.update(batch.following)
                    running = asyncio.create_task(self._commit(batch, expected, stop))
            if running is not None:
                await self._finish(running)
                running = None
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def _finish(self, running: asyncio.Task[bool]) -> None:
        """Awaits a batch; if it could not be committed, everything fetched after it is dropped as well."""
        if not await running:
            self._synchronized = _NEVER

    async def _probe(self) -> str | None:
        """A sentence when the broker is not responding; ``getmany`` itself would wait silently."""
        kafka = self._kafka
        if kafka is None or not self._connected:
            return "is not connected to Kafka"
        first = TopicPartition(next(iter(self._topics)), 0)
        try:
            await asyncio.wait_for(kafka.end_offsets([first]), _PROBE_SECONDS)
        except (KafkaError, OSError, TimeoutError) as error:
            return f"Kafka is not responding: {type(error).__name__}"
        return None

    # Positions -------------------------------------------------------------------------------------------------

    async def _synchronize(self) -> None:
        """Seeks every assigned partition to its position in PostgreSQL and drops what was fetched before."""
        assert self._kafka is not None
        generation = self._assignments.generation
        assigned = set(self._kafka.assignment())
        self._next = {}
        if assigned:
            beginning = await starting_positions(self._kafka, self._engine, self.name, self._topics, assigned)
            for partition, position in beginning.items():
                try:
                    self._kafka.seek(partition, position)
                except IllegalStateError:
                    return  # revoked in the meantime; the listener has recorded it
                self._next[partition] = position
            log.info("partitions assigned", count=len(assigned))
        self._synchronized = generation
        self._health.well(self.loop_name)
        self._rejoining.succeeded()

    # Fetch and decode ------------------------------------------------------------------------------------------

    async def _fetch(self) -> Batch:
        """The next records, decoded. A small batch lingers for more records; ``getmany`` itself would not."""
        assert self._kafka is not None
        limit = self._settings.consumer_batch_size
        batch = Batch(generation=self._assignments.generation)
        fetched = await self._kafka.getmany(timeout_ms=int(_FETCH_SECONDS * 1_000), max_records=limit)
        batch.fetched_at = time.monotonic()
        self._take(fetched, batch)
        if batch.items and len(batch.items) < limit // 2:
            await asyncio.sleep(self._settings.consumer_linger_seconds)
            self._take(await self._kafka.getmany(timeout_ms=0, max_records=limit - len(batch.items)), batch)
        return batch

    def _take(self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord[Any, Any]]], batch: Batch) -> None:
        for partition, records in fetched.items():
            topic = self._topics[partition.topic]
            expected = batch.following.get(partition, self._next.get(partition))
            if expected is None or records[0].offset < expected:
                # Fetched before the seek took effect, or no longer ours.
                batch.generation = _DROPPED
                return
            batch.items.extend(decode(topic, records))
            batch.following[partition] = records[-1].offset + 1

    # Commit ----------------------------------------------------------------------------------------------------

    async def _commit(self, batch: Batch, expected: Positions, stop: asyncio.Event) -> bool:
        """Whether the batch was committed; if not, it must be dropped and the positions read again."""
        backoff = Backoff(first=0.05, longest=self._settings.retry_limit_seconds)
        while batch.generation == self._assignments.generation:
            try:
                await self._transaction.commit(
                    batch.items,
                    expected={stored_name(self._topics, partition): offset for partition, offset in expected.items()},
                    following={
                        stored_name(self._topics, partition): offset for partition, offset in batch.following.items()
                    },
                )
            except Fenced:
                metrics.fenced.inc()
                log.info("batch dropped: another process has handled it")
                return False
            except DeadLetterLimit as error:
                self._health.trouble(self.loop_name, sentence=str(error))
                log.error("too many dead letters; waiting for an operator", reason=str(error))
                await self._keep_membership(self._settings.retry_limit_seconds, stop)
            except Exception as error:
                if is_fault_of_data(error):
                    raise
                metrics.backend_retries.labels("consumer").inc()
                self._health.trouble(self.loop_name, sentence=f"cannot write: {type(error).__name__}")
                pause = backoff.failed()
                log.warning("writing a batch failed, retrying", error=_name(error), seconds=pause)
                await self._keep_membership(pause, stop)
            else:
                self._health.well(self.loop_name)
                self._wake_relay()
                self._report(batch)
                return True
            if stop.is_set():
                return False
        return False

    async def _keep_membership(self, seconds: float, stop: asyncio.Event) -> None:
        """Waits without leaving the group: the loop's own ``getmany`` stops after one more batch, so this one polls."""
        await wait(stop, seconds)
        self._health.tick(self.loop_name)
        assert self._kafka is not None
        assigned = self._kafka.assignment()
        self._kafka.pause(*assigned)
        try:
            await self._kafka.getmany(timeout_ms=0)
        finally:
            still = set(self._kafka.assignment()) & set(assigned)
            if still:
                self._kafka.resume(*still)

    def _report(self, batch: Batch) -> None:
        metrics.batch_seconds.observe(time.monotonic() - batch.fetched_at)
        assert self._kafka is not None
        behind = dict.fromkeys((topic.name for topic in self._topics.values()), 0)
        assigned = self._kafka.assignment()
        for partition, position in self._next.items():
            if partition in assigned:  # aiokafka raises for one that has been revoked since
                end = self._kafka.highwater(partition) or position
                behind[self._topics[partition.topic].name] += max(0, end - position)
        for topic, records in behind.items():
            metrics.lag.labels(topic).set(records)
        self._committed.update(batch.following)
        now = time.monotonic()
        if now - self._committed_at > _KAFKA_COMMIT_SECONDS and (self._committing is None or self._committing.done()):
            self._committed_at = now
            self._committing = asyncio.create_task(self._commit_to_kafka(self._kafka, self._committed))
            self._committed = {}

    async def _commit_to_kafka(self, kafka: AIOKafkaConsumer, offsets: Positions) -> None:
        """Advisory, for lag monitoring. It takes longer than the transaction, so nothing waits for it."""
        assigned = kafka.assignment()
        with contextlib.suppress(KafkaError):
            await kafka.commit({partition: offset for partition, offset in offsets.items() if partition in assigned})

    async def _meet_trouble(self, error: Exception, pause: float, stop: asyncio.Event) -> None:
        metrics.backend_retries.labels("consumer").inc()
        self._health.tick(self.loop_name)
        self._health.trouble(self.loop_name, sentence=f"cannot read: {type(error).__name__}")
        log.warning("consuming failed, retrying", error=_name(error), seconds=pause)
        await wait(stop, pause)


def _name(error: BaseException) -> str:
    original = getattr(error, "orig", None) if isinstance(error, SQLAlchemyError) else None
    return type(error if original is None else original.__cause__ or original).__name__
