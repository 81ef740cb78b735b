"""Questions to the broker that aiokafka's consumer cannot answer: about partitions of others, and for raw batches."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, LeaderNotAvailableError, NoError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest

from shared.kafka_settings import KafkaSettings
from shared.messaging.topic_identity import TopicIdentity, identities

_LATEST = -1
_EARLIEST = -2
_READ_COMMITTED = 1
_ANSWER_SECONDS = 5.0
# How soon a partition that was added to a topic is noticed.
_METADATA_MILLISECONDS = 30_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """Record batches as the broker keeps them; the first one contains the offset that was asked for.

    ``aborted`` has the producers of aborted transactions, each with its first offset; ``end`` is where what can be
    read ends.
    """

    data: bytes
    aborted: tuple[tuple[int, int], ...]
    end: int


class Broker:
    """A connection of its own, opened when first needed. Topics are named as on this cluster.

    Every question raises a KafkaError, an OSError or TimeoutError when it cannot be answered in time.
    """

    def __init__(self, settings: KafkaSettings, topics: Iterable[str], *, client: str) -> None:
        self._settings = settings
        self._topics = sorted(topics)
        self._client_id = f"hearback-{client}-broker"
        self._client: AIOKafkaClient | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def partitions(self) -> list[TopicPartition]:
        """All partitions of the topics. Raises UnknownTopicOrPartitionError while one has none."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            client = await self._open()
            return [TopicPartition(topic, number) for topic in self._topics for number in await _numbers(client, topic)]

    async def ends(self, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """The end of what can be read of these partitions, or of all: open transactions and what follows them are not
        included."""
        return await self._offsets(await self.partitions() if partitions is None else partitions, _LATEST)

    async def identities(self) -> dict[str, TopicIdentity]:
        """Of the topics that exist, by name; none from a broker that knows none."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await identities(await self._open(), self._topics)

    async def beginnings(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that Kafka still has."""
        return await self._offsets(partitions, _EARLIEST)

    async def fetch(self, partition: TopicPartition, offset: int, *, most_bytes: int) -> Fetched:
        """Raw batches from the one that contains ``offset``; whole except for the last, which may be cut."""
        async with asyncio.timeout(_ANSWER_SECONDS):
            client = await self._open()
            await _numbers(client, partition.topic)
            request = FetchRequest(
                0,
                1,
                most_bytes,
                _READ_COMMITTED,
                [(partition.topic, [(partition.partition, offset, most_bytes)])],
            )
            response = await client.send(self._leader(client, partition), request)
        ((_, ((_, code, _, *rest),)),) = response.topics
        self._check(client, code)
        aborted = rest[2] if response.API_VERSION >= 11 else rest[-2]
        return Fetched(bytes(rest[-1] or b""), tuple((producer, first) for producer, first in aborted or ()), rest[0])

    async def _offsets(self, partitions: Iterable[TopicPartition], moment: int) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = {}
        async with asyncio.timeout(_ANSWER_SECONDS):
            client = await self._open()
            by_leader: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
            wanted = list(partitions)
            for topic in {partition.topic for partition in wanted}:
                await _numbers(client, topic)
            for partition in wanted:
                leader = self._leader(client, partition)
                by_leader[leader][partition.topic].append((partition.partition, moment))
            for leader, topics in by_leader.items():
                response = await client.send(leader, OffsetRequest(-1, _READ_COMMITTED, list(topics.items())))
                for topic, answers in response.topics:
                    for number, code, _, offset in answers:
                        self._check(client, code)
                        found[TopicPartition(topic, number)] = offset
        return found

    async def _open(self) -> AIOKafkaClient:
        async with self._opening:
            if self._client is None:
                client = AIOKafkaClient(
                    **self._settings.connection(),
                    client_id=self._client_id,
                    request_timeout_ms=int(_ANSWER_SECONDS * 1_000),
                    metadata_max_age_ms=_METADATA_MILLISECONDS,
                )
                try:
                    await client.bootstrap()
                    client.set_topics(self._topics)
                except BaseException:
                    await client.close()
                    raise
                self._client = client
            return self._client

    def _leader(self, client: AIOKafkaClient, partition: TopicPartition) -> int:
        leader: int | None = client.cluster.leader_for_partition(partition)
        if leader is None or leader < 0:
            client.force_metadata_update()
            raise LeaderNotAvailableError(f"{partition.topic}, partition {partition.partition}")
        return leader

    def _check(self, client: AIOKafkaClient, code: int) -> None:
        error = for_code(code)
        if error is not NoError:
            client.force_metadata_update()
            raise error()


async def _numbers(client: AIOKafkaClient, topic: str) -> list[int]:
    numbers = client.cluster.partitions_for_topic(topic)
    if numbers is None:
        await client.force_metadata_update()
        numbers = client.cluster.partitions_for_topic(topic)
    if not numbers:
        raise KafkaConnectionError(f"the broker knows no partitions of {topic}")
    return sorted(numbers)
