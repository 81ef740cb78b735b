"""The partitions of a consumer that stand still, and when each is tried again. Everything else goes on."""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from aiokafka import TopicPartition

from shared.backoff import Backoff
from shared.health import Health
from shared.messaging.stops import Stop

# Seconds before the first retry; each further one waits twice as long, up to the limit on retries.
_FIRST_PAUSE = 0.5
# How often an hour's allowance of dead letters is looked at.
_LOOK_AGAIN = 2.0


@dataclass(slots=True)
class _Held:
    stop: Stop
    backoff: Backoff
    tries: int = 1
    resume_at: float = 0.0
    waiting: bool = field(default=True)


class Standing:
    """Partitions are named as in PostgreSQL. Readiness tells of every topic with one."""

    def __init__(self, loop: str, health: Health, retry_limit_seconds: float) -> None:
        self._loop = loop
        self._health = health
        self._longest = retry_limit_seconds
        self._held: dict[TopicPartition, _Held] = {}
        self._told: set[str] = set()

    def hold(self, found: Iterable[Stop], positions: Mapping[TopicPartition, int]) -> list[Stop]:
        """Holds what the stops concern among the partitions of ``positions``; returns a stop for each of these."""
        held = []
        for stop in found:
            for partition, offset in positions.items():
                if stop.concerns(*partition):
                    exact = replace(stop, partition=partition.partition, offset=offset)
                    self._hold(partition, exact)
                    held.append(exact)
        self._tell()
        return held

    def _hold(self, partition: TopicPartition, stop: Stop) -> None:
        known = self._held.get(partition)
        if known is None or known.stop.offset != stop.offset or known.stop.cause != stop.cause:
            known = self._held[partition] = _Held(stop, Backoff(first=_FIRST_PAUSE, longest=self._longest), tries=0)
        known.stop = stop
        known.tries += 1
        known.waiting = True
        known.resume_at = time.monotonic() + known.backoff.failed()

    def recall(self, found: Iterable[Stop], assigned: Collection[TopicPartition]) -> None:
        """Takes over what another process, or this one before a restart, has told of the partitions assigned here.
        They are tried at once, and told of until they are passed."""
        for stop in found:
            partition = TopicPartition(stop.topic, stop.partition)
            if partition in assigned and partition not in self._held:
                backoff = Backoff(first=_FIRST_PAUSE, longest=self._longest)
                self._held[partition] = _Held(stop, backoff, tries=0, waiting=False)
        self._tell()

    def keep_only(self, assigned: Collection[TopicPartition]) -> None:
        """Forgets the partitions that others own now."""
        self._held = {partition: held for partition, held in self._held.items() if partition in assigned}
        self._tell()

    def waiting(self) -> set[TopicPartition]:
        return {partition for partition, held in self._held.items() if held.waiting}

    def tries(self, partition: TopicPartition, offset: int) -> int:
        """How often the partition was stopped at this offset."""
        held = self._held.get(partition)
        return held.tries if held is not None and held.stop.offset == offset else 0

    def due(self) -> list[Stop]:
        """Those to be tried again now."""
        now = time.monotonic()
        return [
            held.stop
            for held in self._held.values()
            if held.waiting and held.resume_at <= now and held.stop.cause != "topic_replaced"
        ]

    def postpone(self, partition: TopicPartition) -> None:
        """There is still no room for its dead letters."""
        self._held[partition].resume_at = time.monotonic() + min(_LOOK_AGAIN, self._longest)

    def try_again(self, partition: TopicPartition) -> None:
        self._held[partition].waiting = False

    def tried_again(self) -> set[TopicPartition]:
        """Those that do not wait any more, and have not been passed yet."""
        return {partition for partition, held in self._held.items() if not held.waiting}

    def passed(self, positions: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        """Forgets, and returns, the partitions whose position is now beyond the record they stood still at."""
        return self.forget(
            partition
            for partition in self.tried_again()
            if positions.get(partition, -1) > self._held[partition].stop.offset
        )

    def forget(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """They do not stand still any more."""
        gone = list(partitions)
        for partition in gone:
            del self._held[partition]
        if gone:
            self._tell()
        return gone

    def _tell(self) -> None:
        told = {held.stop.topic: held.stop.explanation for held in self._held.values()}
        for topic in self._told - told.keys():
            self._health.well(f"{self._loop}: {topic}")
        for topic, explanation in told.items():
            self._health.trouble(f"{self._loop}: {topic}", sentence=explanation)
        self._told = set(told)
