"""Where a consumer starts in its assigned partitions: at its positions in PostgreSQL, regardless of Kafka's offsets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.contracts.topics import Topic
from shared.messaging.broker import Broker
from shared.messaging.repository import positions, stops
from shared.messaging.repository.positions import Fenced, Positions
from shared.messaging.stops import Stop, another_cluster, topic_replaced
from shared.messaging.topic_identity import TopicIdentity
from shared.persistence.transaction import transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Start:
    """Where to start: the next offset of each partition, and the partitions that cannot start."""

    positions: Positions
    stops: Sequence[Stop]


async def starting_positions(
    broker: Broker,
    engine: AsyncEngine,
    consumer: str,
    topics: Mapping[str, Topic],
    assigned: set[TopicPartition],
    identities: Mapping[str, TopicIdentity],
) -> Start:
    """The next offset of every assigned partition; for one never seen before, the topic's beginning, now stored.

    ``topics`` and ``identities`` have the catalogue's topics, and which they are, by their name on this cluster.
    Records that Kafka deleted unread are counted and logged, once. A topic that was deleted and made again begins at
    its beginning. A partition of another cluster stands still, and so does one that ends before our position although
    nothing else tells that it is another: it stays so even when it has grown past the position, until an operator has
    moved that.
    """
    # Positions before ends: a replica that is still running moves both, and in the reverse order a position read late
    # could appear to be beyond an end read early.
    async with engine.connect() as connection:
        stored = await positions.load(connection, consumer)
        known = await positions.load_identities(connection, consumer)
        replaced = {
            (stop.topic, stop.partition): stop
            for stop in await stops.standing(connection, consumer)
            if stop.cause == "topic_replaced"
        }
    # Not on the consumer's connection: there an answer waits for the fetch before it, however long that waits.
    ends = await broker.ends(assigned)
    beginnings = await broker.beginnings(assigned)
    unseen = {
        name: offset
        for partition, offset in beginnings.items()
        if (name := stored_name(topics, partition)) not in stored
    }
    if unseen:
        async with transaction(engine) as connection:
            await positions.introduce(connection, consumer, unseen)
        stored = {**unseen, **stored}
    starting: Positions = {}
    found: list[Stop] = []
    anew: Positions = {}
    as_before: list[TopicPartition] = []
    now = {
        stored_name(topics, partition): identities[partition.topic]
        for partition in assigned
        if partition.topic in identities
    }
    for partition in assigned:
        topic, name = topics[partition.topic], stored_name(topics, partition)
        position = starting[partition] = stored[name]
        standing = replaced.get(name)
        before, identity = known.get(name), now.get(name)
        if before is not None and identity is not None and before.cluster_id != identity.cluster_id:
            told = another_cluster(name.topic, consumer, partition=name.partition, position=position)
            found.append(_replaced(name, position, told))
        elif before is not None and identity is not None and before != identity:
            anew[name] = starting[partition] = beginnings[partition]
        elif position > ends[partition] or (standing is not None and standing.offset == position and before is None):
            told = topic_replaced(
                name.topic, consumer, partition=name.partition, position=position, end=ends[partition]
            )
            found.append(standing or _replaced(name, position, told))
        else:
            as_before.append(name)
            if position < beginnings[partition]:
                starting[partition] = beginnings[partition]
                await _skip_deleted(engine, consumer, name, position, beginnings[partition], compacted=topic.compacted)
    async with transaction(engine) as connection:
        await positions.identify(
            connection, consumer, {name: now[name] for name in as_before if name in now.keys() - known.keys()}
        )
        moved = await positions.begin_again(connection, consumer, anew, now)
        await stops.remove(connection, consumer, [*anew, *(replaced.keys() & set(as_before))])
    for made_anew in sorted({name.topic for name in moved}):
        metrics.topics_made_anew.labels(made_anew).inc()
        log.error(
            "a topic was deleted and made again; it is read from its beginning, and what nobody had read of the former "
            "one is lost",
            topic=made_anew,
            positions={name.partition: stored[name] for name in sorted(moved) if name.topic == made_anew},
        )
    return Start(starting, found)


def _replaced(partition: TopicPartition, position: int, explanation: str) -> Stop:
    return Stop(
        topic=partition.topic,
        partition=partition.partition,
        offset=position,
        cause="topic_replaced",
        explanation=explanation,
    )


async def _skip_deleted(
    engine: AsyncEngine, consumer: str, partition: TopicPartition, position: int, beginning: int, *, compacted: bool
) -> None:
    """Moves the stored position to the first record there is, so that what was deleted is counted once."""
    async with transaction(engine) as connection:
        try:
            await positions.advance(
                connection, consumer, expected={partition: position}, following={partition: beginning}
            )
        except Fenced:
            return  # a replica was faster, and has counted it
    if not compacted:
        metrics.lost_records.labels(partition.topic).inc(beginning - position)
        log.error("Kafka deleted records before they were read", topic=partition.topic, count=beginning - position)


def stored_name(topics: Mapping[str, Topic], partition: TopicPartition) -> TopicPartition:
    """Positions are stored under the catalogue's name."""
    return TopicPartition(topics[partition.topic].name, partition.partition)
