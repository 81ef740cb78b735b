"""How far a service has read its topics, all of its replicas together: the lag, and up to which moment.

A decision that an event could still change (may this survey be sent?) must not be taken ahead of what has not been
read. So whoever decides asks here first, and decides only what was due, and known, at the moment it is told.

The moment is found without trusting any record's timestamp: note the time, ask the broker where every partition ends,
and wait until every stored position has reached that end. Everything published until then has then been handled,
whichever replica owns the partition, and also if nobody does.
"""

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.clock import Clock
from shared.contracts.topics import Topic
from shared.health import Health
from shared.messaging.broker import Broker
from shared.messaging.repository import positions, stops
from shared.messaging.repository.positions import Positions
from shared.settings import ServiceSettings

# Real seconds. What was found is good for so long before the broker is asked again.
_FRESH_SECONDS = 0.1
_TOLD_AFTER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ReadUntil:
    """Everything published until then has been handled: ``moment`` by the business clock, ``known_by`` by the
    database's, ``asked_at`` by this process's monotonic clock."""

    moment: datetime
    known_by: datetime
    asked_at: float

    def age(self) -> float:
        """How many real seconds ago that was."""
        return time.monotonic() - self.asked_at


class Reads(Protocol):
    """What loops that decide need to know; tests without a broker have their own."""

    async def until(self) -> ReadUntil | None:
        """The latest moment up to which everything has been read; None while not known."""
        ...

    async def note(self, *, waiting: bool) -> None:
        """Whether the caller has something to decide that has to wait for the reading; readiness tells if for long."""
        ...


@dataclass(frozen=True, slots=True)
class _Look:
    moment: ReadUntil
    ends: Positions

    def reached(self, stored: Positions) -> bool:
        return all(stored.get(partition, 0) >= end for partition, end in self.ends.items())


class Reading:
    """The reading of the consumer group ``consumer``. Close it when done."""

    def __init__(
        self,
        consumer: str,
        topics: Iterable[Topic],
        *,
        engine: AsyncEngine,
        settings: ServiceSettings,
        clock: Clock,
        health: Health,
    ) -> None:
        self.consumer = consumer
        self._names = {settings.topic(topic.name): topic.name for topic in topics}
        self._engine = engine
        self._clock = clock
        self._health = health
        self._broker = Broker(settings, self._names, client=consumer)
        self._awaited: _Look | None = None
        self._until: ReadUntil | None = None
        self._behind: dict[str, int] = {}
        self._looked_at: float | None = None
        self._waiting_since: float | None = None
        self._told_as = f"reading of the {consumer}"

    async def close(self) -> None:
        await self._broker.close()

    async def step(self) -> bool:
        """Updates the lag metric, unless the broker is away. One round of a loop: never more to do."""
        with contextlib.suppress(KafkaError, OSError, TimeoutError):  # the consumer tells of it
            await self._look()
        for topic, records in self._behind.items():
            metrics.lag.labels(topic).set(records)
        return False

    async def until(self) -> ReadUntil | None:
        """The latest moment up to which everything has been read; None while not known.

        Raises the database's error. While the broker cannot be reached, the moment does not move.
        """
        if self._looked_at is None or time.monotonic() - self._looked_at > _FRESH_SECONDS:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):  # the consumer tells of it
                await self._look()
        return self._until

    async def note(self, *, waiting: bool) -> None:
        """Whether the caller has something to decide that has to wait for the reading; readiness tells if for long."""
        if not waiting:
            self._waiting_since = None
            self._health.well(self._told_as)
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
        elif time.monotonic() - self._waiting_since > _TOLD_AFTER_SECONDS:
            await self._tell()

    async def _look(self) -> None:
        async with self._engine.connect() as connection:
            known_by = await positions.now(connection)
        asked = ReadUntil(self._clock.now(), known_by, time.monotonic())
        try:
            ends = await self._broker.ends()
        except BaseException:
            await self._broker.close()
            raise
        look = _Look(asked, {TopicPartition(self._names[each.topic], each.partition): ends[each] for each in ends})
        async with self._engine.connect() as connection:
            stored = await positions.load(connection, self.consumer)
        self._looked_at = time.monotonic()
        behind = dict.fromkeys(self._names.values(), 0)
        for partition, end in look.ends.items():
            behind[partition.topic] += max(0, end - stored.get(partition, 0))
        self._behind = behind
        if look.reached(stored):
            self._until, self._awaited = look.moment, None
        elif self._awaited is None or self._awaited.reached(stored):
            if self._awaited is not None:
                self._until = self._awaited.moment
            self._awaited = look

    async def _tell(self) -> None:
        async with self._engine.connect() as connection:
            standing = await stops.standing(connection, self.consumer)
        unread = [f"{topic}: {records} records not read yet" for topic, records in self._behind.items() if records]
        unread += [f"{stop.topic}, partition {stop.partition} stands still" for stop in standing[:5]]
        read = "unknown" if self._until is None else f"{self._until.moment:%Y-%m-%d %H:%M:%S} UTC"
        self._health.trouble(
            self._told_as,
            sentence="what is due waits, so that nobody is asked against something that is not read yet "
            f"({'; '.join(unread) or 'the broker or the database does not respond'}); read up to: {read}",
        )
