"""The consumer loop: a batch's changes, its events and its position are committed in one transaction.

The path of a batch: fetch → decode (``fetching.py``) → fence, handlers, dead letters in one transaction
(``transaction.py``) → Kafka commit in the background, for lag monitoring only. While one batch's transaction runs, the
next one is fetched and decoded; when it begins is a matter of ``pacing.py``.

What is at fault stands still by itself (``standstill.py``): a partition, or a topic. The others go on.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.backoff import Backoff
from shared.clock import Clock
from shared.contracts.cloudevents import Readers
from shared.contracts.topics import Topic
from shared.health import Health
from shared.loops import wait
from shared.messaging.broker import Broker
from shared.messaging.fetching import Batch, Fetching
from shared.messaging.handler import Handler
from shared.messaging.member import LOOK_AT_TOPICS_SECONDS, Member
from shared.messaging.pacing import Pacing
from shared.messaging.reachability import why_failing
from shared.messaging.repository.positions import Fenced, Positions
from shared.messaging.standstill import Standstill
from shared.messaging.starting import starting_positions
from shared.messaging.topic_identity import TopicIdentity
from shared.messaging.transaction import BatchTransaction, remaining
from shared.persistence.engine import is_fault_of_data, what_failed
from shared.settings import ServiceSettings

log = structlog.get_logger()

_KAFKA_COMMIT_SECONDS = 1.0
_POLL_SECONDS = 10.0
# Generations count from 0.
_NEVER = -1
_NO_READERS: Readers = {}


class Consumer:
    """Reads ``topics`` as the consumer group ``name`` and passes each topic's messages to its handler.

    ``committed`` is called after each commit. Of event types in ``readers``, the handlers need only what these read.
    """

    def __init__(
        self,
        name: str,
        topics: Sequence[Topic],
        handlers: Mapping[str, Handler],
        *,
        engine: AsyncEngine,
        settings: ServiceSettings,
        health: Health,
        committed: Callable[[], None],
        clock: Clock,
        readers: Readers = _NO_READERS,
    ) -> None:
        self.name = name
        self.loop_name = f"{name} consumer"
        of_cluster = {settings.topic(topic.name): topic for topic in topics}
        self._engine = engine
        self._settings = settings
        self._health = health
        self._tell_committed = committed
        self._transaction = BatchTransaction(
            name, list(topics), handlers, engine, settings, tick=lambda: health.tick(self.loop_name)
        )
        self._broker = Broker(settings, of_cluster, client=name)
        self._member = Member(name, of_cluster, settings)
        self._standstill = Standstill(self._member, self.loop_name, engine=engine, settings=settings, health=health)
        self._fetching = Fetching(
            self._member, self._standstill, self._broker, settings=settings, clock=clock, readers=readers
        )
        self._pacing = Pacing(settings.consumer_interval_seconds)
        self._synchronized = _NEVER
        self._rejoining = Backoff(first=0.1, longest=settings.retry_limit_seconds)
        self._committed: Positions = {}
        self._committing: asyncio.Task[None] | None = None
        self._committed_at = 0.0
        self._identities: Mapping[str, TopicIdentity] = {}
        self._looked_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until ``stop``, and finishes the batch in progress. Raises only what a restart might fix."""
        self._health.trouble(self.loop_name, sentence="is joining its consumer group")
        self._health.add_check(f"{self.name} kafka", self._member.probe)
        while not stop.is_set():
            try:
                await self._member.start()
                await self._consume(stop)
            except Exception as error:
                if is_fault_of_data(error):
                    raise
                await self._meet_trouble(error, self._rejoining.failed(), stop)
            finally:
                await self._close()
                self._transaction.tell_rest(last=True)
        self._health.forget(self.loop_name)

    async def _close(self) -> None:
        self._synchronized = _NEVER
        if self._committing is not None:
            self._committing.cancel()
            self._committing = None
        await self._member.close()
        await self._broker.close()

    async def _consume(self, stop: asyncio.Event) -> None:
        running: asyncio.Task[bool] | None = None
        try:
            while not stop.is_set():
                self._health.tick(self.loop_name)
                self._transaction.tell_rest()
                if self._synchronized != self._member.generation:
                    if running is not None:
                        await self._finish(running)
                        running = None
                    await self._synchronize()
                if not await self._standstill.try_again():
                    self._synchronized = _NEVER
                await self._look_at_topics()
                batch = await self._fetching.next(self._transaction.size)
                if batch.items:
                    most = self._transaction.size
                    batch = await self._fetching.gather(batch, most, self._pacing, running, stop)
                if running is not None and (batch.following or running.done()):
                    await self._finish(running)
                    running = None
                elif running is None and not batch.following:
                    await self._standstill.note_empty()
                if batch.generation != self._member.generation:
                    self._synchronized = _NEVER
                if batch.following and self._synchronized == batch.generation:
                    expected = {partition: self._member.positions[partition] for partition in batch.following}
                    self._member.positions.update(batch.following)
                    self._pacing.begin()
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
            await self._member.keep_membership()
        if not running.result():
            self._synchronized = _NEVER

    async def _synchronize(self) -> None:
        """Seeks every assigned partition to its position in PostgreSQL and drops what was fetched before."""
        member = self._member
        generation = member.generation
        assigned = set(member.kafka.assignment())
        names = {member.name_of(partition) for partition in assigned}
        member.positions = {}
        self._standstill.keep_only(names)
        if assigned:
            self._identities = await self._broker.identities()
            self._looked_at = time.monotonic()
            start = await starting_positions(
                self._broker, self._engine, self.name, member.topics, assigned, self._identities
            )
            for partition, position in start.positions.items():
                if not member.seek(partition, position):
                    return  # revoked in the meantime; the listener has recorded it
                member.positions[partition] = position
            await self._standstill.recall(names)
            await self._standstill.hold(start.stops)
            waiting = self._standstill.waiting()
            for partition in assigned:
                if member.name_of(partition) in waiting and not member.pause(partition):
                    return
            log.info("partitions assigned", count=len(assigned), standing=len(waiting))
        self._synchronized = generation
        self._health.well(self.loop_name)
        self._rejoining.succeeded()

    async def _look_at_topics(self) -> None:
        """Has the positions looked at again if a topic turns out to be another one than when we began to read."""
        if time.monotonic() - self._looked_at < LOOK_AT_TOPICS_SECONDS:
            return
        self._looked_at = time.monotonic()
        try:
            found = await self._broker.identities()
        except (KafkaError, OSError, TimeoutError):
            await self._broker.close()
            return  # reading tells of a broker in trouble
        if any(found[topic] != before for topic, before in self._identities.items() if topic in found):
            self._synchronized = _NEVER

    async def _commit(self, batch: Batch, expected: Positions, stop: asyncio.Event) -> bool:
        """Whether the batch was committed; if not, it must be dropped and the positions read again."""
        backoff = Backoff(first=0.05, longest=self._settings.retry_limit_seconds)
        before = self._member.names_of(expected)
        after = self._member.names_of(batch.following)
        while batch.generation == self._member.generation:
            try:
                found = await self._transaction.commit(batch.items, expected=before, following=after)
                if found:
                    for partition in expected:
                        self._member.positions[partition] = before[self._member.name_of(partition)]
                    await self._standstill.hold(found)
                    self._tell_committed()
                    return False
                await self._standstill.note_passed(after)
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
                self._tell_committed()
                self._report(batch)
                return True
            if stop.is_set():
                return False
        return False

    def _report(self, batch: Batch) -> None:
        metrics.batch_seconds.observe(time.monotonic() - batch.fetched_at)
        self._committed.update(batch.following)
        now = time.monotonic()
        if now - self._committed_at > _KAFKA_COMMIT_SECONDS and (self._committing is None or self._committing.done()):
            self._committed_at = now
            # It takes longer than the transaction, so nothing waits for it.
            self._committing = asyncio.create_task(self._member.commit(self._committed))
            self._committed = {}

    async def _meet_trouble(self, error: Exception, pause: float, stop: asyncio.Event) -> None:
        metrics.backend_retries.labels("consumer").inc()
        self._health.tick(self.loop_name)
        reason = await why_failing(error, self._settings)
        self._health.trouble(self.loop_name, sentence=f"cannot read: {reason}")
        log.warning("consuming failed, retrying", error=reason, seconds=pause)
        await wait(stop, pause)
