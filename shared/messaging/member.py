"""A member of a consumer group: Kafka's client, what is assigned to it, and where it reads on in each partition.

The odd-looking parts are workarounds for aiokafka 0.14: it swallows exceptions in a rebalance listener, so ours only
records that something changed; a lock held around ``getmany`` would deadlock with the listener, so there is none; a
member that does not call ``getmany`` for ``max_poll_interval_ms`` leaves the group, so whoever waits for something else
keeps polling paused partitions; ``rebalance_timeout_ms`` defaults to the session timeout.

It fetches from a broker only once every record it has brought from there was taken, or a tenth of a second has passed.
A fetch of the other partitions alone would then be under way for as long as they are silent, and the one that was taken
late would wait for it. So that time is made endless here, and a fetch may wait long without being noticed: an idle
process fetches twice a second.

Records that have arrived are taken as its unpacker gives them; those for which was waited, as ``ConsumerRecord``.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.contracts.topics import Topic
from shared.messaging.broker import Broker
from shared.messaging.decoding import Record
from shared.messaging.fetch_sessions import FetchSessions
from shared.messaging.repository.positions import Positions
from shared.messaging.starting import stored_name
from shared.settings import ServiceSettings

FETCH_BYTES = 2_097_152
"""Maximum bytes of a partition in one fetch; a larger batch comes alone."""
LOOK_AT_TOPICS_SECONDS = 60.0
"""How soon a topic that was away for a moment, has more partitions, or was made anew, is noticed."""

_REBALANCE_MILLISECONDS = 60_000
_MAX_POLL_MILLISECONDS = 120_000
_FETCH_MAX_WAIT_MILLISECONDS = 500
_ENDLESS_SECONDS = 86_400.0
_PROBE_SECONDS = 2.0
_STOP_SECONDS = 5.0

Records = Mapping[TopicPartition, Sequence[Record]]


def _as_it_is(_partition: TopicPartition, record: Record) -> Record:
    """Instead of a ``ConsumerRecord``: that is made in as long as the record is unpacked, of parts nobody asks for."""
    return record


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Counts rebalances; the loop compares the counts and then reads the assignment itself."""

    def __init__(self) -> None:
        self.generation = 0

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        self.generation += 1

    async def on_partitions_assigned(self, _assigned: set[TopicPartition]) -> None:
        self.generation += 1


class Member:
    """Of the group of the consumer ``name``. ``topics`` are the catalogue's, by their name on this cluster.

    ``positions`` has the next offset of each partition that was sought since the assignment changed, by its name on
    this cluster.
    """

    def __init__(self, name: str, topics: Mapping[str, Topic], settings: ServiceSettings) -> None:
        self.name = name
        self.topics = topics
        self.positions: Positions = {}
        self._settings = settings
        self._assignments = _Assignments()
        self._kafka: AIOKafkaConsumer | None = None
        self._connected = False
        self._names: dict[TopicPartition, TopicPartition] = {}
        self._probed = TopicPartition(next(iter(topics)), 0)
        # Fetches wait at the broker, and so does whatever is asked behind one on its connection.
        self._probing = Broker(settings, [self._probed.topic], client=f"{name}-probe")

    @property
    def generation(self) -> int:
        """Changes with each rebalance; counts from 0."""
        return self._assignments.generation

    @property
    def kafka(self) -> AIOKafkaConsumer:
        assert self._kafka is not None, "start comes first"
        return self._kafka

    def name_of(self, partition: TopicPartition) -> TopicPartition:
        """As it is called in PostgreSQL: under the catalogue's name of its topic."""
        found = self._names.get(partition)
        if found is None:
            found = self._names[partition] = stored_name(self.topics, partition)
        return found

    def names_of(self, partitions: Positions) -> Positions:
        return {self.name_of(partition): offset for partition, offset in partitions.items()}

    async def start(self) -> None:
        """Joins the group. Raises KafkaError, OSError or TimeoutError."""
        session = int(self._settings.consumer_session_seconds * 1_000)
        kafka = AIOKafkaConsumer(
            *self.topics,
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
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MILLISECONDS,
            # How soon the fetcher looks around by itself; a rebalance and records that were taken wake it.
            consumer_timeout_ms=1_000,
            max_partition_fetch_bytes=FETCH_BYTES,
            metadata_max_age_ms=int(LOOK_AT_TOPICS_SECONDS * 1_000),
        )
        kafka.subscribe(topics=list(self.topics), listener=self._assignments)
        self._kafka = kafka
        await kafka.start()
        kafka._fetcher._prefetch_backoff = _ENDLESS_SECONDS  # noqa: SLF001  # it has no option for it
        kafka._fetcher._client = FetchSessions(kafka._client)  # noqa: SLF001  # likewise
        self._connected = True

    async def close(self) -> None:
        """Leaves the group, if it can be told within some seconds."""
        kafka, self._kafka = self._kafka, None
        self._connected = False
        self.positions = {}
        if kafka is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(kafka.stop(), _STOP_SECONDS)
        await self._probing.close()

    async def take(self, most: int, *, wait_seconds: float = 0.0) -> Records:
        """At most so many of the records that have arrived; waits only while there are none.

        When it raises what aiokafka raised, that has lost what it had unpacked before: every partition is to be sought
        again.
        """
        kafka = self.kafka
        for arrived in kafka._fetcher._records.values():  # noqa: SLF001  # it has no option for it
            if (unpacked := getattr(arrived, "_partition_records", None)) is not None:
                unpacked._consumer_record = _as_it_is  # noqa: SLF001  # likewise
        found: Records = await kafka.getmany(timeout_ms=int(wait_seconds * 1_000), max_records=most)
        return found

    def seek(self, partition: TopicPartition, position: int) -> bool:
        """False if the partition was revoked meanwhile; the generation then tells."""
        try:
            self.kafka.seek(partition, position)
        except IllegalStateError:
            return False
        return True

    def pause(self, partition: TopicPartition) -> bool:
        """Takes nothing of it until it is resumed. False if it was revoked meanwhile."""
        try:
            self.kafka.pause(partition)
        except IllegalStateError:
            return False
        return True

    def resume(self, partition: TopicPartition) -> bool:
        """Goes on at its position. False if it was revoked meanwhile, or never sought."""
        position = self.positions.get(partition)
        if position is None or not self.seek(partition, position):
            return False
        self.kafka.resume(partition)
        return True

    async def keep_membership(self) -> None:
        """Polls without taking anything: a member that does not poll is expelled while it waits for a batch."""
        assigned = self.kafka.assignment() - self.kafka.paused()
        self.kafka.pause(*assigned)
        try:
            await self.kafka.getmany(timeout_ms=0)
        finally:
            still = self.kafka.assignment() & assigned
            if still:
                self.kafka.resume(*still)

    async def commit(self, offsets: Positions) -> None:
        """Tells Kafka how far we are, for lag monitoring; of no consequence."""
        kafka = self.kafka
        assigned = kafka.assignment()
        with contextlib.suppress(KafkaError):
            await kafka.commit({partition: offset for partition, offset in offsets.items() if partition in assigned})

    async def markers_passed(self, following: Positions, *, but: Iterable[TopicPartition]) -> Positions:
        """How far was read where no record was taken: transaction markers have offsets, but are no records.

        ``following`` is where each partition was taken up to, if anything was; ``but`` are those to leave out, by their
        names in PostgreSQL.
        """
        kafka = self.kafka
        assigned = kafka.assignment()
        left_out = frozenset(but)
        passed: Positions = {}
        for partition, position in self.positions.items():
            if partition not in assigned or (left_out and self.name_of(partition) in left_out):
                continue
            taken = following.get(partition, position)
            if (kafka.last_stable_offset(partition) or 0) > taken:
                read = await kafka.position(partition)
                if read > taken:
                    passed[partition] = read
        return passed

    def at_end(self, partition: TopicPartition) -> bool:
        """Whether there is no record behind our position, as far as is known here."""
        if partition not in self.kafka.assignment():
            return False
        end = self.kafka.last_stable_offset(partition)
        return end is not None and end <= self.positions[partition]

    async def probe(self) -> str | None:
        """A sentence when the broker is not responding; ``take`` itself would wait silently."""
        if self._kafka is None or not self._connected:
            return "is not connected to Kafka"
        try:
            await asyncio.wait_for(self._probing.ends([self._probed]), _PROBE_SECONDS)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._probing.close()
            return f"Kafka is not responding: {type(error).__name__}"
        return None
