"""Publishes the outbox, in order, and deletes what the broker has acknowledged.

Order matters where two relays meet: a relay takes the turn, then fences all earlier ones at the broker, and only then
reads what to publish, on the session that holds the turn. So whatever an earlier relay still has on its way is either
among what this one publishes, and is refused if it arrives later, or was acknowledged and deleted before.

Small publications are what costs: the first commit after a silence is published at once, and those that follow shortly
after go out together (``pacing.py``).
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable

import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from shared import metrics
from shared.backoff import Backoff
from shared.contracts.topics import DEAD_LETTER_SUFFIX
from shared.health import Health
from shared.loops import wait
from shared.messaging.fenced_producer import FencedProducer, boot_seconds
from shared.messaging.outbox_walk import OutboxWalk, Read
from shared.messaging.pacing import Pacing
from shared.messaging.publisher import SEND_SECONDS, Outcome, Publisher
from shared.messaging.reachability import why_failing
from shared.messaging.repository import outbox, set_aside
from shared.messaging.repository.outbox import Oldest
from shared.messaging.set_aside import SetAsideEvents
from shared.messaging.turn import Turn
from shared.ration import Ration
from shared.settings import ServiceSettings

log = structlog.get_logger()

REQUEST_MILLISECONDS = 5_000
OPEN_SECONDS = 10.0
# Until then a record may be sent after it was read: longer than any round takes, and far shorter than brokers remember
# the epochs that fence an earlier relay (transactional.id.expiration.ms and producer.id.expiration.ms, 7 days and 1).
STALE_SECONDS = 60.0
# A new epoch each day keeps the coordinator from forgetting the transactional id. There are 32,767 before Kafka has to
# change the producer id, which an earlier epoch is not compared with.
_PRODUCER_SECONDS = 86_400.0
# Limits what a round holds in memory.
_ROUND_BYTES = 16_000_000
# From one publication to the next, seconds. Short, because a person may wait for what is published, at the end of
# several relays; but with 5 ms an answer costs half as much again, and under load comes no sooner (docs/benchmarks.md).
_INTERVAL_SECONDS = 0.015
# Only for events left by a process that died before publishing: every commit wakes the relay.
_POLL_SECONDS = 1.0
# How soon the turn of a relay that ended is taken.
_ATTEMPT_SECONDS = 0.25
# A round with nothing to publish but a statement or two; the limits on the other steps are above.
_ROUND_SECONDS = OPEN_SECONDS + 2 * SEND_SECONDS + 10


class Relay:
    """Call ``wake`` after each commit; ``run`` publishes until stopped, and then whatever is left."""

    name = "outbox relay"

    def __init__(self, settings: ServiceSettings, health: Health, client: str) -> None:
        self._settings = settings
        self._health = health
        self._client = client
        self._work = asyncio.Event()
        self._producer: FencedProducer | None = None
        self._limit = settings.outbox_batch_size
        self._age = OutboxAge()
        self._publisher = Publisher(settings)
        self._set_aside = SetAsideEvents()
        self._pacing = Pacing(_INTERVAL_SECONDS)
        self._walk = OutboxWalk()
        self._looks = Ration(now=time.monotonic)

    def wake(self) -> None:
        """Signals that there may be something to publish."""
        self._work.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Failures of the database and the broker are retried."""
        backoff = Backoff(first=0.1, longest=self._settings.retry_limit_seconds)
        stopping = asyncio.create_task(self._wake_at(stop))
        turn = Turn(self._settings.database_url.get_secret_value(), name=self._client, wake=self.wake)
        metrics.outbox_age_seconds.set_function(self._age)
        try:
            while not stop.is_set():
                try:
                    more = await self._round(turn)
                except (KafkaError, OSError, TimeoutError, SQLAlchemyError) as error:
                    await self._meet_trouble(error, turn)
                    await wait(stop, backoff.failed())
                    continue
                self._health.tick(self.name)
                self._health.well(self.name)
                backoff.succeeded()
                if not more:
                    await self._wait(_POLL_SECONDS if turn.taken else _ATTEMPT_SECONDS)
            with contextlib.suppress(KafkaError, OSError, TimeoutError, SQLAlchemyError):
                while await self._round(turn):
                    pass
        finally:
            stopping.cancel()
            self._health.forget(self.name)
            await self._let_go(turn)

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._work.set()

    async def _wait(self, seconds: float) -> None:
        """Until there may be something to publish, and it is some time since the last publication."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._work.wait()
        if (pause := self._pacing.remaining()) > 0:
            await asyncio.sleep(pause)

    async def _meet_trouble(self, error: Exception, turn: Turn) -> None:
        """Another relay may have better luck: this one gives up the turn, and leaves nothing running."""
        metrics.backend_retries.labels(self.name).inc()
        self._health.tick(self.name)
        # First of all, so that another relay need not wait for the explanation.
        await self._let_go(turn)
        reason = await why_failing(error, self._settings)
        self._health.trouble(self.name, sentence=f"cannot publish: {reason}")
        log.warning("publishing failed, retrying", error=reason)

    async def _let_go(self, turn: Turn) -> None:
        # The producer first: what it still has in its buffers must not go out once another relay has the turn.
        await self._drop_producer()
        await turn.end()

    async def _round(self, turn: Turn) -> bool:
        """Publishes a batch, if this relay has or gets the turn. Whether there may be more."""
        async with asyncio.timeout(_ROUND_SECONDS):
            wake = self._work.is_set()
            self._work.clear()
            if not turn.taken and not await self._take(turn, wake=wake):
                return False
            producer = await self._fenced_producer(turn)
            producer.send_until(boot_seconds() + STALE_SECONDS)
            if await self._set_aside.try_again(turn.connection, producer, self._publisher):
                self._walk.restart()
            if not producer.usable:
                await self._drop_producer()
                return True
            began = time.monotonic()
            after = self._walk.next()
            found = await outbox.oldest(turn.connection, self._limit, most_bytes=_ROUND_BYTES, after=after)
            seconds = time.monotonic() - began
            waiting = found.records
            self._age.set(waiting[0].age_seconds if waiting else 0)
            more = len(waiting) == self._limit or sum(each.record.size for each in waiting) > _ROUND_BYTES // 2
            read = Read(after, [each.outbox_id for each in waiting], more, found.xmin, found.xmax, seconds)
            if not waiting:
                self._walk.advance(read, left=())
                return False
            self._pacing.begin()
            left = await self._publish(turn, producer, found)
            self._walk.advance(read, left=left)
            if not more and not left:
                self._age.set(0)
            return more or bool(left)

    async def _take(self, turn: Turn, *, wake: bool) -> bool:
        """Whether this relay has the turn now."""
        look = self._looks.due()
        began = time.monotonic()
        attempt = await turn.attempt(wake=wake, look=look)
        if look:
            self._looks.took(time.monotonic() - began)
            self._age.set(attempt.age_seconds)
        metrics.outbox_set_aside.set(attempt.set_aside)
        if attempt.taken:
            self._walk = OutboxWalk()
            metrics.relay_turns.inc()
        return attempt.taken

    async def _publish(self, turn: Turn, producer: FencedProducer, found: Oldest) -> set[int]:
        """The numbers of those that are still in the outbox, to be looked at again at once."""
        waiting = found.records
        behind = [each.outbox_id for each in waiting if each.waits]
        outcome = await self._publisher.publish(producer, [each for each in waiting if not each.waits])
        # Of one key, nothing is acknowledged behind what was not.
        if outcome.acknowledged:
            await outbox.remove(turn.connection, [each.outbox_id for each in outcome.acknowledged])
        for each in outcome.acknowledged:
            metrics.published.labels(_label(each.record.topic)).inc()
        if behind:
            await set_aside.wait(turn.connection, behind)
        for each, refused in outcome.refused:
            await self._set_aside.add(turn.connection, each, refused)
        if outcome.trouble is not None:
            if isinstance(outcome.trouble, TimeoutError):
                self._limit = max(1, self._limit // 2)
            raise outcome.trouble
        if not producer.usable:
            await self._drop_producer()
        self._limit = min(self._settings.outbox_batch_size, self._limit * 2)
        if len(outcome.acknowledged) == len(waiting):
            return set()
        return {each.outbox_id for each in waiting} - _gone(outcome, behind)

    async def _fenced_producer(self, turn: Turn) -> FencedProducer:
        """Opened by the relay that has the turn, before it reads what to publish."""
        if self._producer is not None and boot_seconds() - self._producer.opened_at > _PRODUCER_SECONDS:
            await self._drop_producer()
        if self._producer is None:
            self._producer = FencedProducer(
                transactional_id=f"hearback.{self._settings.topic(turn.schema)}.outbox",
                **self._settings.connection(),
                client_id=f"hearback-{self._client}",
                request_timeout_ms=REQUEST_MILLISECONDS,
                max_batch_size=131_072,
                max_request_size=2_000_000,
            )
            async with asyncio.timeout(OPEN_SECONDS):
                await self._producer.start()
            await self._set_aside.broker_answers(turn.connection)
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.abandon()


def _gone(outcome: Outcome, behind: Iterable[int]) -> set[int]:
    """The numbers of those that left the outbox: published, or set aside."""
    acknowledged = {each.outbox_id for each in outcome.acknowledged}
    return acknowledged.union(behind, (each.outbox_id for each, _ in outcome.refused))


class OutboxAge:
    """The age of the oldest unpublished event, which grows while nobody can look again."""

    def __init__(self) -> None:
        self._age = 0.0
        self._seen_at = 0.0

    def set(self, seconds: float) -> None:
        self._age, self._seen_at = seconds, time.monotonic()

    def __call__(self) -> float:
        return self._age + time.monotonic() - self._seen_at if self._age else 0.0


def _label(topic: str) -> str:
    return "dead letters" if topic.endswith(DEAD_LETTER_SUFFIX) else topic
