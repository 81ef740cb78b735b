"""The contents of a topic, decoded by the audit's own code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

Offsets = dict[tuple[str, int], int]
"""By topic and partition. An end offset is the one the next record will get."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record on a topic; ``topic`` is without the installation's prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]

    @property
    def location(self) -> tuple[str, int, int]:
        return self.topic, self.partition, self.offset

    def header(self, name: str) -> str | None:
        """The value of a header; if it occurs more than once, the last one, as the services read it."""
        for header, value in reversed(self.headers):
            if header == name and value is not None:
                return value.decode("utf-8", "replace")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The content of a record: the CloudEvent's identity and its body, a plain JSON object."""

    source: str
    id: str
    type: str
    body: dict[str, Any]

    @property
    def identity(self) -> tuple[str, str]:
        return self.source, self.id


def event_of(record: Record) -> Event | None:
    """The CloudEvent in a record, in binary or structured mode; None when it is not one."""
    try:
        content = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(content, dict):
        return None
    if (record.header("content-type") or "").lower().startswith("application/cloudevents+json"):
        source, event_id, event_type, body = (content.get(name) for name in ("source", "id", "type", "data"))
    else:
        source, event_id, event_type = (record.header(name) for name in ("ce_source", "ce_id", "ce_type"))
        body = content
    if isinstance(source, str) and isinstance(event_id, str) and isinstance(event_type, str) and isinstance(body, dict):
        return Event(source=source, id=event_id, type=event_type, body=body)
    return None


def moment(text: str) -> datetime:
    """Raises ValueError for anything but a timestamp with an offset."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return found
