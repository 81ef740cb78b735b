"""CloudEvents over Kafka: writing them in binary mode, reading them in binary and structured mode.

Follows the CloudEvents 1.0.2 specification and its Kafka protocol binding. Written here instead of using a library
because it is on the hot path: reading one record takes a few microseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import ValidationError

from shared.contracts.events import Event
from shared.contracts.topics import Topic
from shared.contracts.types import Contract
from shared.validation import explain_without_values

BINARY_CONTENT_TYPE = b"application/json"
STRUCTURED_CONTENT_TYPE = b"application/cloudevents+json"

Headers = Sequence[tuple[str, bytes | None]]
"""As in Kafka: a header may have no value, and is then treated as absent."""


class UnreadableRecord(ValueError):
    """A record that is not a valid event of its topic. The message names the field and the rule, never a value, which
    may be personal data."""


# Not frozen, although never mutated: creating a frozen instance takes three times as long, 10% of reading a record.
@dataclass(slots=True, kw_only=True)
class Message:
    """An event as read, and its position. ``topic`` is the catalogue's name, without the installation's prefix.

    ``value`` and ``headers`` are the record's raw bytes, kept for dead letters.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    event_id: str
    source: str
    type: str
    time: datetime
    body: Contract
    traceparent: str | None
    value: bytes | None
    headers: Headers

    @property
    def following(self) -> int:
        """The position after it."""
        return self.offset + 1


def write(event: Event, source: str) -> tuple[list[tuple[str, bytes]], bytes]:
    """The headers and value of a record in binary mode. ``source`` is such as ``/hearback/dispatcher``."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", event.time.astimezone(UTC).isoformat().encode()),
        ("content-type", BINARY_CONTENT_TYPE),
    ]
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers, event.body.model_dump_json(exclude_none=True).encode()


def read(
    topic: Topic, *, partition: int, offset: int, key: bytes | None, value: bytes | None, headers: Headers
) -> Message:
    """The event in a record of ``topic``.

    Raises UnreadableRecord when it is not a CloudEvent, not of a type the topic carries, or its body breaks the
    contract. Unknown fields are ignored.
    """
    if value is None:
        raise UnreadableRecord("the record has no value; an event must have a body")
    attributes: dict[str, Any] = dict(headers)
    content_type = attributes.get("content-type")
    if content_type not in (BINARY_CONTENT_TYPE, None) and content_type.lower().startswith(STRUCTURED_CONTENT_TYPE):
        return _read_structured(topic, partition=partition, offset=offset, key=key, value=value, headers=headers)
    try:
        event_type = attributes["ce_type"].decode()
        event_id = attributes["ce_id"].decode()
        source = attributes["ce_source"].decode()
    except (KeyError, AttributeError) as error:
        missing = next(name for name in ("ce_type", "ce_id", "ce_source") if attributes.get(name) is None)
        raise UnreadableRecord(f"the header {missing} is missing; send CloudEvents in binary mode") from error
    except UnicodeDecodeError as error:
        raise UnreadableRecord("a ce_ header is not UTF-8") from error
    if not event_id or not source or len(event_id) > 500 or len(source) > 500:
        raise UnreadableRecord("ce_id and ce_source must have 1 to 500 characters")
    time = _time(attributes.get("ce_time"))
    trace = attributes.get("traceparent")
    return Message(
        topic=topic.name,
        partition=partition,
        offset=offset,
        key=key,
        event_id=event_id,
        source=source,
        type=event_type,
        time=time,
        body=_body(topic, event_type, value),
        traceparent=None if trace is None else _trace(trace.decode("ascii", "replace")),
        value=value,
        headers=headers,
    )


def _read_structured(
    topic: Topic, *, partition: int, offset: int, key: bytes | None, value: bytes, headers: Headers
) -> Message:
    try:
        envelope = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise UnreadableRecord("the value is not JSON") from error
    if not isinstance(envelope, Mapping):
        raise UnreadableRecord("the value is not a CloudEvent; it must be a JSON object")
    texts: dict[str, str] = {}
    for name in ("id", "source", "type", "specversion"):
        attribute = envelope.get(name)
        if not isinstance(attribute, str) or not 1 <= len(attribute) <= 500:
            raise UnreadableRecord(f"the attribute {name} of the CloudEvent must be a string of 1 to 500 characters")
        texts[name] = attribute
    time = envelope.get("time")
    trace = envelope.get("traceparent")
    return Message(
        topic=topic.name,
        partition=partition,
        offset=offset,
        key=key,
        event_id=texts["id"],
        source=texts["source"],
        type=texts["type"],
        time=_time(time.encode() if isinstance(time, str) else None),
        body=_body(topic, texts["type"], orjson.dumps(envelope.get("data"))),
        traceparent=_trace(trace) if isinstance(trace, str) else None,
        value=value,
        headers=headers,
    )


def _trace(written: str) -> str | None:
    """Tracing is a convenience: an invalid trace is ignored rather than failing the event."""
    return written[:55] if written.isprintable() else None


def _time(written: bytes | None) -> datetime:
    """``ce_time`` is optional in CloudEvents. Decisions use the times in the body, so a missing one is not an error."""
    if written is None:
        return datetime(1970, 1, 1, tzinfo=UTC)
    try:
        time = datetime.fromisoformat(written.decode())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UnreadableRecord("ce_time is not an RFC 3339 time, such as 2026-11-01T09:30:00-03:00") from error


def _body(topic: Topic, event_type: str, value: bytes) -> Contract:
    model = topic.bodies.get(event_type)
    if model is None:
        known = ", ".join(topic.bodies)
        raise UnreadableRecord(f"ce_type {event_type[:60]!r} does not belong in {topic.name}; it carries {known}")
    try:
        return model.model_validate_json(value, extra="ignore")
    except ValidationError as error:
        raise UnreadableRecord(explain_without_values(error, model)) from error
