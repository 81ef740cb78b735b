"""Records as a handler gets them, without a Kafka."""

import itertools
from datetime import UTC, datetime

from shared.contracts.cloudevents import Message
from shared.contracts.events import Event
from shared.contracts.types import Contract

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

_offsets = itertools.count()


def message(
    topic: str,
    event_type: str,
    body: Contract,
    *,
    event_id: str | None = None,
    source: str = "/test",
    at: datetime = NOON,
) -> Message:
    """Each one is the next record of partition 0, and another event unless ``event_id`` says which."""
    offset = next(_offsets)
    return Message(
        topic=topic,
        partition=0,
        offset=offset,
        key=None,
        event_id=event_id or f"event-{offset}",
        source=source,
        type=event_type,
        time=at,
        body=body,
        traceparent=None,
        value=b"{}",
        headers=(),
    )


def message_of(event: Event, *, source: str = "/test") -> Message:
    """What a reader gets of an event one of our own services publishes."""
    return message(event.topic, event.type, event.body, event_id=event.event_id, source=source, at=event.time)
