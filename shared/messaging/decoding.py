"""Decodes Kafka records into the messages for a handler, one record at a time."""

from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRecord

from shared.contracts import cloudevents
from shared.contracts.cloudevents import Message, UnreadableRecord
from shared.contracts.topics import Topic
from shared.messaging.records import DeadLetter


def decode(topic: Topic, records: Sequence[ConsumerRecord[Any, Any]]) -> list[Message | DeadLetter]:
    """Each record as a message or a dead letter. Never raises: a bad record does not affect others."""
    items: list[Message | DeadLetter] = []
    for record in records:
        try:
            items.append(
                cloudevents.read(
                    topic,
                    partition=record.partition,
                    offset=record.offset,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                )
            )
        except Exception as error:
            reason = str(error) if isinstance(error, UnreadableRecord) else type(error).__name__
            items.append(
                DeadLetter(
                    topic=topic.name,
                    partition=record.partition,
                    offset=record.offset,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                    reason=reason,
                )
            )
    return items
