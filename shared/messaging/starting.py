"""Where a consumer starts in its assigned partitions: at its positions in PostgreSQL, regardless of Kafka's offsets."""

from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine

from shared import metrics
from shared.contracts.topics import Topic
from shared.messaging.repository import positions
from shared.messaging.repository.positions import Positions

log = structlog.get_logger()


class PositionsAheadOfTopic(RuntimeError):
    """The topic ends before our position: it was recreated, or this is another cluster. An operator must decide."""


async def starting_positions(
    kafka: AIOKafkaConsumer,
    engine: AsyncEngine,
    consumer: str,
    topics: Mapping[str, Topic],
    assigned: set[TopicPartition],
) -> Positions:
    """The next offset of every assigned partition; for one never seen before, the topic's beginning, now stored.

    ``topics`` has the catalogue's topics by their name on this cluster. Records that Kafka deleted unread are counted
    and logged. Raises PositionsAheadOfTopic.
    """
    # Positions before ends: a replica that is still running moves both, and in the reverse order a position read late
    # could appear to be beyond an end read early.
    async with engine.connect() as connection:
        stored = await positions.load(connection, consumer)
    ends = await kafka.end_offsets(assigned)
    beginnings = await kafka.beginning_offsets(assigned)
    unseen = {
        name: offset
        for partition, offset in beginnings.items()
        if (name := stored_name(topics, partition)) not in stored
    }
    if unseen:
        async with engine.begin() as connection:
            await positions.introduce(connection, consumer, unseen)
        stored = {**unseen, **stored}
    starting = {partition: stored[stored_name(topics, partition)] for partition in assigned}
    for partition, position in starting.items():
        topic = topics[partition.topic]
        if position < beginnings[partition] and not topic.compacted:
            lost = beginnings[partition] - position
            metrics.lost_records.labels(topic.name).inc(lost)
            log.error("Kafka deleted records before they were read", topic=partition.topic, count=lost)
        if position > ends[partition]:
            raise PositionsAheadOfTopic(
                f"{partition.topic}, partition {partition.partition} ends at {ends[partition]}, but {consumer} has "
                f"read up to {position}: the topic was recreated, or this is another cluster. Point "
                "HEARBACK_KAFKA_BOOTSTRAP_SERVERS at the right one, or delete the rows of consumer_positions to read "
                "from the beginning"
            )
    return starting


def stored_name(topics: Mapping[str, Topic], partition: TopicPartition) -> TopicPartition:
    """Positions are stored under the catalogue's name."""
    return TopicPartition(topics[partition.topic].name, partition.partition)
