"""Fetches records and decodes them into batches.

While one batch's transaction runs, the next one is fetched and decoded, and grows until it may begin (``pacing.py``).
It grows in slices between which others have their turn: the transaction would otherwise have to wait with its next
statement until thousands of records are decoded, and PostgreSQL with it.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.clock import Clock
from shared.contracts.cloudevents import Message, Readers
from shared.messaging.broker import Broker
from shared.messaging.decoding import decode, decode_raw
from shared.messaging.member import FETCH_BYTES, Member, Records
from shared.messaging.pacing import Pacing
from shared.messaging.records import DeadLetter
from shared.messaging.repository.positions import Positions
from shared.messaging.standstill import Standstill
from shared.messaging.stops import Stop, unreadable_batch
from shared.messaging.unpacking import unpack
from shared.persistence.engine import what_failed
from shared.settings import ServiceSettings

log = structlog.get_logger()

_FETCH_SECONDS = 0.2
# Some milliseconds.
_SLICE = 500
# How often a batch that cannot be unpacked is fetched before it becomes a dead letter.
_CORRUPT_TRIES = 5
# Generations count from 0.
DROPPED = -2
"""The generation of what was fetched before the positions were sought, or is no longer ours."""


@dataclass(slots=True)
class Batch:
    """Decoded records in fetch order; ``following`` is each partition's position after them."""

    items: list[Message | DeadLetter] = field(default_factory=list)
    following: Positions = field(default_factory=dict)
    generation: int = 0
    fetched_at: float = 0.0


class Fetching:
    """The next records of ``member``, except those of what stands still."""

    def __init__(
        self,
        member: Member,
        standstill: Standstill,
        broker: Broker,
        *,
        settings: ServiceSettings,
        clock: Clock,
        readers: Readers,
    ) -> None:
        self._member = member
        self._standstill = standstill
        self._broker = broker
        self._clock = clock
        self._readers = readers
        self._skew = settings.order_clock_skew

    async def next(self, most: int) -> Batch:
        """The first of at most ``most`` records, as soon as there is one; empty when there is none for some time."""
        batch = Batch(generation=self._member.generation)
        return await self._add(batch, min(most, _SLICE), wait_seconds=_FETCH_SECONDS)

    async def gather(
        self, batch: Batch, most: int, pacing: Pacing, before: "asyncio.Task[Any] | None", stop: asyncio.Event
    ) -> Batch:
        """Lets the batch grow while it may not begin anyway: the one before is not done, or it began a moment ago.

        Returns the batch to use instead.
        """
        brought = len(batch.items)
        while batch.generation == self._member.generation and len(batch.items) < most and not stop.is_set():
            busy = before is not None and not before.done()
            more = brought >= _SLICE
            pause = pacing.remaining()
            if not busy and (len(batch.items) >= most // 2 or (pause == 0 and not more)):
                break
            step = pacing.step(brought)
            if more:
                await asyncio.sleep(0)
            elif before is not None and busy:
                await asyncio.wait({before}, timeout=step)
            else:
                await asyncio.sleep(min(pause, step))
            known = len(batch.items)
            batch = await self._add(batch, min(most - known, _SLICE))
            brought = len(batch.items) - known
        return batch

    async def _add(self, batch: Batch, most: int, *, wait_seconds: float = 0.0) -> Batch:
        """Adds records to the batch; returns the one to use instead."""
        try:
            self._take(await self._member.take(most, wait_seconds=wait_seconds), batch)
            if batch.generation != DROPPED:
                waiting = self._standstill.waiting()
                batch.following |= await self._member.markers_passed(batch.following, but=waiting)
        except (OffsetOutOfRangeError, NoOffsetForPartitionError, IllegalStateError):
            # Not sought yet, revoked, or Kafka has deleted what comes next: the positions are to be looked at.
            return Batch(generation=DROPPED)
        except Exception as error:
            return await self._unpack(error, most + len(batch.items))
        return batch

    def _take(self, fetched: Records, batch: Batch) -> None:
        batch.fetched_at = batch.fetched_at or time.monotonic()
        for partition, records in fetched.items():
            topic = self._member.topics[partition.topic]
            expected = batch.following.get(partition, self._member.positions.get(partition))
            if expected is None or records[0].offset < expected:
                # Fetched before the seek took effect, or no longer ours.
                batch.generation = DROPPED
                return
            batch.items += decode(
                topic,
                records,
                partition=partition.partition,
                arrived_at=self._clock.now(),
                skew=self._skew,
                readers=self._readers,
            )
            batch.following[partition] = records[-1].offset + 1

    async def _unpack(self, error: Exception, most: int) -> Batch:
        """Unpacks the next records ourselves, because aiokafka could not. Raises its error if nothing is wrong with
        them, and the broker's if the records cannot be fetched again."""
        batch = Batch(generation=self._member.generation, fetched_at=time.monotonic())
        waiting = self._standstill.waiting()
        at_fault = False
        for partition, position in list(self._member.positions.items()):
            name = self._member.name_of(partition)
            if name in waiting:
                continue
            fetched = await self._broker.fetch(partition, position, most_bytes=FETCH_BYTES)
            room = max(1, most - len(batch.items))
            give_up = self._standstill.tries(name, position) >= _CORRUPT_TRIES
            unpacked = unpack(partition, fetched, position, most=room, give_up=give_up)
            at_fault |= unpacked.corrupt or any(record.fault is not None for record in unpacked.records)
            if not self._member.seek(partition, unpacked.following):
                return Batch(generation=DROPPED)
            if unpacked.following > position:
                topic = self._member.topics[partition.topic]
                batch.items += decode_raw(topic, unpacked.records, arrived_at=self._clock.now(), skew=self._skew)
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
                await self._standstill.hold([stop])
                self._member.pause(partition)
        if not at_fault:
            raise error
        log.warning("records that could not be unpacked", error=what_failed(error), records=len(batch.items))
        return batch
