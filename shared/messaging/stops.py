"""Partitions that stand still while everything else goes on: why, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared.contracts.topics import dead_letter_topic

Cause = Literal["dead_letter_limit", "own_fault", "corrupt", "topic_replaced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A record that a topic stands still at. ``topic`` is the catalogue's name; ``whole_topic`` means that all of its
    partitions wait, wherever they are."""

    topic: str
    partition: int
    offset: int
    cause: Cause
    explanation: str
    whole_topic: bool = False

    def concerns(self, topic: str, partition: int) -> bool:
        return self.topic == topic and (self.whole_topic or self.partition == partition)


def limit_reached(topic: str, consumer: str, *, limit: int, reasons: Mapping[str, int], reason: str) -> str:
    """``reasons`` of the hour's dead letters with how often each occurred, the most frequent first; ``reason`` is why
    the record it stands at would be one more."""
    told = "; ".join(f"{count} × {each[:200]}" for each, count in reasons.items())
    return (
        f"{topic} stands still at a record that cannot be read ({reason[:200]}): it has had as many dead letters in "
        f"an hour as HEARBACK_DEAD_LETTER_LIMIT allows, {limit} ({told or 'none yet'}). It continues as the hour "
        f"passes. Look at {dead_letter_topic(topic, service=consumer).name} and fix the producer; to go on at once, "
        f"allow more: ./hearback letters allow {consumer} {topic} 10000"
    )


def own_fault(topic: str, *, error: str, place: str) -> str:
    return (
        f"{topic} stands still: none of its records can be handled ({error} in {place}), so the fault is in Hearback "
        "and not in them. Nothing is lost; it is tried again until it works, at the latest after an upgrade"
    )


def too_slow(topic: str, *, place: str) -> str:
    return (
        f"{topic} stands still: handling the single record at {place} takes longer than the database allows. It is "
        "tried again; look at the database's load and locks"
    )


def unreadable_batch(topic: str, *, place: str, tries: int) -> str:
    return (
        f"{topic} waits at {place}: what Kafka gives there cannot be unpacked. It becomes a dead letter after {tries} "
        "tries, because the damage may have happened on the way"
    )


def topic_replaced(topic: str, consumer: str, *, partition: int, position: int, end: int) -> str:
    return (
        f"{topic}, partition {partition} ends at {end}, but {consumer} has read up to {position}: the topic was "
        "recreated, or this is another cluster. Point HEARBACK_KAFKA_BOOTSTRAP_SERVERS at the right one, or delete "
        "the rows of consumer_positions to read from the beginning"
    )


def another_cluster(topic: str, consumer: str, *, partition: int, position: int) -> str:
    return (
        f"{topic} is in another cluster than the one that {consumer} has read up to {position} of partition "
        f"{partition}. Point HEARBACK_KAFKA_BOOTSTRAP_SERVERS at the right one. If the topics were moved on purpose, "
        "delete the rows of consumer_positions to read from the beginning; if every record has kept its offset, set "
        "their topic_id to NULL instead. Then restart"
    )
