"""The consumer loop: a batch's changes, its events and its position are committed in one transaction.

The path of a batch: fetch → decode (``decoding.py``) → fence, handlers, dead letters in one transaction
(``transaction.py``) → Kafka commit in the background, for lag monitoring only. While one batch's transaction runs, the
next one is fetched and decoded.

The odd-looking parts are workarounds for aiokafka 0.14: it swallows exceptions in a rebalance listener, so ours only
records that something changed; a lock held around ``getmany`` would deadlock with the listener, so there is none; a
member that does not call ``getmany`` for ``max_poll_interval_ms`` leaves the group, so a loop that waits for a batch
keeps polling paused partitions; ``rebalance_timeout_ms`` defaults to the session timeout; when ``getmany`` raises, it
has lost what it had unpacked before, so every partition is sought again.

What is at fault stands still by itself (``stops.py``): a partition, or a topic. The others go on.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.backoff import Backoff
from shared.clock import Clock
from shared.contracts.cloudevents import Message
from shared.contracts.topics import Topic
from shared.health import Health
from shared.loops import wait
from shared.messaging.broker import Broker
from shared.messaging.decoding import decode, decode_raw
from shared.messaging.handler import Handler
from shared.messaging.reachability import why_failing
from shared.messaging.records import DeadLetter
from shared.messaging.repository import dead_letters, stops
from shared.messaging.repository.positions import Fenced, Positions
from shared.messaging.standing import Standing
from shared.messaging.starting import starting_positions, stored_name
from shared.messaging.stops import Stop, unreadable_batch
from shared.messaging.topic_identity import TopicIdentity
from shared.messaging.transaction import BatchTransaction, remaining
from shared.messaging.unpacking import unpack
from shared.persistence.engine import is_fault_of_data, what_failed
from shared.persistence.transaction import transaction
from shared.settings import ServiceSettings

log = structlog.get_logger()

_FETCH_SECONDS = 0.2
_KAFKA_COMMIT_SECONDS = 1.0
_REBALANCE_MILLISECONDS = 60_000
_MAX_POLL_MILLISECONDS = 120_000
_PROBE_SECONDS = 2.0
_POLL_SECONDS = 10.0
_FETCH_BYTES = 2_097_152
# How often to look whether a topic was deleted and made again without a rebalance.
_LOOK_AT_TOPICS_SECONDS = 60.0
# How often a batch that cannot be unpacked is fetched before it becomes a dead letter.
_CORRUPT_TRIES = 5
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
        clock: Clock,
    ) -> None:
        self.name = name
        self.loop_name = f"{name} consumer"
        self._topics = {settings.topic(topic.name): topic for topic in topics}
        self._engine = engine
        self._settings = settings
        self._health = health
        self._wake_relay = wake_relay
        self._clock = clock
        self._skew = settings.order_clock_skew
        self._transaction = BatchTransaction(
            name, list(topics), handlers, engine, settings, tick=lambda: health.tick(self.loop_name)
        )
        self._standing = Standing(self.loop_name, health, settings.retry_limit_seconds)
        self._broker = Broker(settings, self._topics, client=name)
        self._assignments = _Assignments()
        self._synchronized = _NEVER
        self._next: Positions = {}
        self._kafka: AIOKafkaConsumer | None = None
        self._connected = False
        self._rejoining = Backoff(first=0.1, longest=settings.retry_limit_seconds)
        self._committed: Positions = {}
        self._committing: asyncio.Task[None] | None = None
        self._committed_at = 0.0
        self._identities: Mapping[str, TopicIdentity] = {}
        self._looked_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until ``stop``, and finishes the batch in progress. Raises only what a restart might fix."""
        self._health.trouble(self.loop_name, sentence="is joining its consumer group")
        self._health.add_check(f"{self.name} kafka", self._probe)
        while not stop.is_set():
            try:
                await self._start()
                await self._consume(stop)
            except Exception as error:
                if is_fault_of_data(error):
                    raise
                await self._meet_trouble(error, self._rejoining.failed(), stop)
            finally:
                await self._close()
                self._transaction.tell_rest(last=True)
        self._health.forget(self.loop_name)

    # One member of the group -----------------------------------------------------------------------------------

    async def _start(self) -> None:
        session = int(self._settings.consumer_session_seconds * 1_000)
        kafka = AIOKafkaConsumer(
            *self._topics,
            **self._settings.connection(),
            group_id=self._settings.topic(f"hearback.{self.name}"),
            client_id=f"hearback-{self.name}",
            enable_auto_commit=False,
            # If a shop publishes in transactions, only what it committed counts.
            isolation_level="read_committed",
            # Where to start is our decision (starting.py), also when Kafka has deleted what comes next.
            auto_offset_reset="none",
            session_timeout_ms=session,
            heartbeat_interval_ms=min(1_000, session // 3),
            rebalance_timeout_ms=_REBALANCE_MILLISECONDS,
            max_poll_interval_ms=_MAX_POLL_MILLISECONDS,
            # A fetch stalls for this long when another partition is idle; the default of 500 ms is noticeable.
            fetch_max_wait_ms=50,
            max_partition_fetch_bytes=_FETCH_BYTES,
            # How soon a topic that was away for a moment, or has more partitions, is assigned.
            metadata_max_age_ms=int(_LOOK_AT_TOPICS_SECONDS * 1_000),
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
        await self._broker.close()

    async def _consume(self, stop: asyncio.Event) -> None:
        running: asyncio.Task[bool] | None = None
        try:
            while not stop.is_set():
                self._health.tick(self.loop_name)
                self._transaction.tell_rest()
                if self._synchronized != self._assignments.generation:
                    if running is not None:
                        await self._finish(running)
                        running = None
                    await self._synchronize()
                await self._try_again()
                await self._look_at_topics()
                batch = await self._fetch()
                if running is not None and (batch.following or running.done()):
                    await self._finish(running)
                    running = None
                elif running is None and not batch.following:
                    await self._note_empty()
                if batch.generation != self._assignments.generation:
                    self._synchronized = _NEVER
                if batch.following and self._synchronized == batch.generation:
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
        while not (await asyncio.wait({running}, timeout=_POLL_SECONDS))[0]:
            await self._keep_membership()
        if not running.result():
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
        self._standing.keep_only({stored_name(self._topics, partition) for partition in assigned})
        if assigned:
            self._identities = await self._broker.identities()
            self._looked_at = time.monotonic()
            start = await starting_positions(
                self._kafka, self._engine, self.name, self._topics, assigned, self._identities
            )
            for partition, position in start.positions.items():
                try:
                    self._kafka.seek(partition, position)
                except IllegalStateError:
                    return  # revoked in the meantime; the listener has recorded it
                self._next[partition] = position
            await self._recall(assigned)
            await self._hold(start.stops)
            waiting = self._standing.waiting()
            for partition in assigned:
                if stored_name(self._topics, partition) in waiting:
                    self._kafka.pause(partition)
            log.info("partitions assigned", count=len(assigned), standing=len(waiting))
        self._synchronized = generation
        self._health.well(self.loop_name)
        self._rejoining.succeeded()

    async def _look_at_topics(self) -> None:
        """Has the positions looked at again if a topic turns out to be another one than when we began to read."""
        if time.monotonic() - self._looked_at < _LOOK_AT_TOPICS_SECONDS:
            return
        self._looked_at = time.monotonic()
        try:
            found = await self._broker.identities()
        except (KafkaError, OSError, TimeoutError):
            await self._broker.close()
            return  # reading tells of a broker in trouble
        if any(found[topic] != before for topic, before in self._identities.items() if topic in found):
            self._synchronized = _NEVER

    # What stands still -----------------------------------------------------------------------------------------

    async def _hold(self, found: Sequence[Stop]) -> None:
        """Lets the partitions that the stops concern wait; to be paused by ``_synchronize``."""
        if not found:
            return
        ours = {stored_name(self._topics, partition): offset for partition, offset in self._next.items()}
        held = self._standing.hold(found, ours)
        async with transaction(self._engine) as connection:
            await stops.write(connection, self.name, held)
        for stop in found:
            log.error(
                "a topic stands still" if stop.whole_topic else "a partition stands still",
                topic=stop.topic,
                partition=stop.partition,
                offset=stop.offset,
                cause=stop.cause,
                reason=stop.explanation,
            )

    async def _recall(self, assigned: Collection[TopicPartition]) -> None:
        async with self._engine.connect() as connection:
            found = await stops.standing(connection, self.name)
        self._standing.recall(found, {stored_name(self._topics, partition) for partition in assigned})

    async def _try_again(self) -> None:
        """Lets those go on whose time has come: there is room for their dead letters again, or it might work now."""
        assert self._kafka is not None
        for stop in self._standing.due():
            partition = TopicPartition(self._settings.topic(stop.topic), stop.partition)
            name = stored_name(self._topics, partition)
            if stop.cause == "dead_letter_limit" and not await self._has_room(stop.topic):
                self._standing.postpone(name)
                continue
            self._standing.try_again(name)
            try:
                self._kafka.seek(partition, self._next[partition])
                self._kafka.resume(partition)
            except (IllegalStateError, KeyError):
                self._synchronized = _NEVER  # revoked in the meantime
                return

    async def _has_room(self, topic: str) -> bool:
        limit = self._settings.dead_letter_limit
        async with self._engine.connect() as connection:
            return await dead_letters.room(connection, self.name, topic=topic, limit=limit) > 0

    async def _note_passed(self, batch: Batch) -> None:
        await self._tell_going_on(
            self._standing.passed(
                {stored_name(self._topics, partition): offset for partition, offset in batch.following.items()}
            )
        )

    async def _note_empty(self) -> None:
        """A topic waits as a whole when none of its records can be handled: a partition that is tried again and has no
        record to stand still at goes on, though nothing is passed in it."""
        assert self._kafka is not None
        tried = self._standing.tried_again()
        if not tried:
            return
        empty = []
        for partition, position in self._next.items():
            name = stored_name(self._topics, partition)
            if name in tried and partition in self._kafka.assignment():
                end = self._kafka.last_stable_offset(partition)
                if end is not None and end <= position:
                    empty.append(name)
        await self._tell_going_on(self._standing.forget(empty))

    async def _tell_going_on(self, passed: Sequence[TopicPartition]) -> None:
        if passed:
            log.info("a topic goes on", partitions=[f"{topic} {number}" for topic, number in passed])
            async with transaction(self._engine) as connection:
                await stops.remove(connection, self.name, passed)

    # Fetch and decode ------------------------------------------------------------------------------------------

    async def _fetch(self) -> Batch:
        """The next records, decoded. A small batch lingers for more records; ``getmany`` itself would not."""
        batch = Batch(generation=self._assignments.generation)
        try:
            await self._fill(batch)
        except (OffsetOutOfRangeError, NoOffsetForPartitionError, IllegalStateError):
            # Not sought yet, revoked, or Kafka has deleted what comes next: the positions are to be looked at.
            return Batch(generation=_DROPPED)
        except Exception as error:
            return await self._unpack(error)
        return batch

    async def _fill(self, batch: Batch) -> None:
        assert self._kafka is not None
        limit = self._transaction.size
        fetched = await self._kafka.getmany(timeout_ms=int(_FETCH_SECONDS * 1_000), max_records=limit)
        batch.fetched_at = time.monotonic()
        self._take(fetched, batch)
        if batch.items and len(batch.items) < limit // 2:
            await asyncio.sleep(self._settings.consumer_linger_seconds)
            self._take(await self._kafka.getmany(timeout_ms=0, max_records=limit - len(batch.items)), batch)
        await self._pass_markers(batch)

    async def _pass_markers(self, batch: Batch) -> None:
        """Transaction markers have offsets, but are no records: the position is moved past those that were read."""
        assert self._kafka is not None
        waiting = self._standing.waiting()
        for partition, position in self._next.items():
            if partition not in self._kafka.assignment() or stored_name(self._topics, partition) in waiting:
                continue
            following = batch.following.get(partition, position)
            if (self._kafka.last_stable_offset(partition) or 0) > following:
                read = await self._kafka.position(partition)
                if read > following:
                    batch.following[partition] = read

    async def _unpack(self, error: Exception) -> Batch:
        """Unpacks the next records ourselves, because aiokafka could not. Raises its error if nothing is wrong with
        them, and the broker's if the records cannot be fetched again."""
        assert self._kafka is not None
        batch = Batch(generation=self._assignments.generation, fetched_at=time.monotonic())
        waiting = self._standing.waiting()
        at_fault = False
        for partition, position in list(self._next.items()):
            name = stored_name(self._topics, partition)
            if name in waiting:
                continue
            fetched = await self._broker.fetch(partition, position, most_bytes=_FETCH_BYTES)
            most = max(1, self._transaction.size - len(batch.items))
            give_up = self._standing.tries(name, position) >= _CORRUPT_TRIES
            unpacked = unpack(partition, fetched, position, most=most, give_up=give_up)
            at_fault |= unpacked.corrupt or any(record.fault is not None for record in unpacked.records)
            try:
                self._kafka.seek(partition, unpacked.following)
            except IllegalStateError:
                return Batch(generation=_DROPPED)
            if unpacked.following > position:
                batch.items += decode_raw(
                    self._topics[partition.topic], unpacked.records, arrived_at=self._clock.now(), skew=self._skew
                )
                batch.following[partition] = unpacked.following
            elif unpacked.corrupt:
                told = unreadable_batch(
                    name.topic, place=f"partition {name.partition}, offset {position}", tries=_CORRUPT_TRIES
                )
                stop = Stop(
                    topic=name.topic,
                    partition=name.partition,
                    offset=position,
                    cause="corrupt",
                    explanation=told,
                )
                await self._hold([stop])
                self._kafka.pause(partition)
        if not at_fault:
            raise error
        log.warning("records that could not be unpacked", error=what_failed(error), records=len(batch.items))
        return batch

    def _take(self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord[Any, Any]]], batch: Batch) -> None:
        for partition, records in fetched.items():
            topic = self._topics[partition.topic]
            expected = batch.following.get(partition, self._next.get(partition))
            if expected is None or records[0].offset < expected:
                # Fetched before the seek took effect, or no longer ours.
                batch.generation = _DROPPED
                return
            batch.items.extend(decode(topic, records, arrived_at=self._clock.now(), skew=self._skew))
            batch.following[partition] = records[-1].offset + 1

    # Commit ----------------------------------------------------------------------------------------------------

    async def _commit(self, batch: Batch, expected: Positions, stop: asyncio.Event) -> bool:
        """Whether the batch was committed; if not, it must be dropped and the positions read again."""
        backoff = Backoff(first=0.05, longest=self._settings.retry_limit_seconds)
        before = {stored_name(self._topics, partition): offset for partition, offset in expected.items()}
        after = {stored_name(self._topics, partition): offset for partition, offset in batch.following.items()}
        while batch.generation == self._assignments.generation:
            try:
                found = await self._transaction.commit(batch.items, expected=before, following=after)
                if found:
                    self._next.update(
                        {
                            TopicPartition(self._settings.topic(topic), at): offset
                            for (topic, at), offset in before.items()
                        }
                    )
                    await self._hold(found)
                    self._wake_relay()
                    return False
                await self._note_passed(batch)
            except Fenced:
                metrics.fenced.inc()
                log.info("batch dropped: another process has handled it")
                return False
            except Exception as error:
                if is_fault_of_data(error):
                    raise
                batch.items = remaining(batch.items, before)
                metrics.backend_retries.labels("consumer").inc()
                self._health.trouble(self.loop_name, sentence=f"cannot write: {what_failed(error)}")
                pause = backoff.failed()
                log.warning("writing a batch failed, retrying", error=what_failed(error), seconds=pause)
                await wait(stop, pause)
                self._health.tick(self.loop_name)
            else:
                self._health.well(self.loop_name)
                self._wake_relay()
                self._report(batch)
                return True
            if stop.is_set():
                return False
        return False

    async def _keep_membership(self) -> None:
        """Polls without taking anything: a member that does not poll is expelled while it waits for a batch."""
        assert self._kafka is not None
        assigned = self._kafka.assignment() - self._kafka.paused()
        self._kafka.pause(*assigned)
        try:
            await self._kafka.getmany(timeout_ms=0)
        finally:
            still = self._kafka.assignment() & assigned
            if still:
                self._kafka.resume(*still)

    def _report(self, batch: Batch) -> None:
        metrics.batch_seconds.observe(time.monotonic() - batch.fetched_at)
        assert self._kafka is not None
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
        reason = await why_failing(error, self._settings)
        self._health.trouble(self.loop_name, sentence=f"cannot read: {reason}")
        log.warning("consuming failed, retrying", error=reason, seconds=pause)
        await wait(stop, pause)
