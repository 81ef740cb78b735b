"""Messages as a handler receives them, without Kafka."""

import itertools
from datetime import UTC, datetime

from shared.contracts.cloudevents import Message
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
    """Each is the next record of partition 0, and a new event unless ``event_id`` is given."""
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
