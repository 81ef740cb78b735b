"""CloudEvents over Kafka: writing them in binary mode, reading them in binary and structured mode.

Follows the CloudEvents 1.0.2 specification and its Kafka protocol binding. Written here instead of using a library
because it is on the hot path: reading one record takes a few microseconds.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from shared.contracts.adjustments import Adjustment, Adjustments
from shared.contracts.events import Event
from shared.contracts.light import Light, LightReader
from shared.contracts.narrow import narrow_reader
from shared.contracts.topics import Topic
from shared.contracts.types import UNSTORABLE, Contract
from shared.moments import parse_moment
from shared.validation import explain_without_values

BINARY_CONTENT_TYPE = b"application/json"
STRUCTURED_CONTENT_TYPE = b"application/cloudevents+json"
SPECVERSION = b"1.0"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON_TYPES = re.compile(
    rb"(?:[a-z0-9.+-]+/(?:[a-z0-9.+-]+\+)?json|text/plain|application/octet-stream) *(?:;.*)?", re.I | re.S
)
"""The last two are what serializers of text and of bytes write, whatever the text or the bytes are."""
_MEDIA_TYPE = re.compile(rb"[A-Za-z0-9!#$&^_.+-]{1,40}/[A-Za-z0-9!#$&^_.+-]{1,60}")
# What is no such name is not repeated: it may be anything.
_EVENT_TYPE = re.compile(r"[A-Za-z0-9._-]{1,60}")
# W3C Trace Context §3.2.2; later versions may be longer.
_TRACE = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.*)?", re.S
)
_LONGEST_TRACE = 55
_LONGEST_ATTRIBUTE = 500
_LONGEST_INTEGER = 300
_narrow_reader = cache(narrow_reader)
_ODD_TIME = Adjustment("ce_time", "left_out")

Headers = Sequence[tuple[str, bytes | None]]
"""As in Kafka: a header may have no value, and is then treated as absent."""


class UnreadableRecord(ValueError):
    """A record that is not a valid event of its topic. The message names the field and the rule, never a value, which
    may be personal data."""


# A tuple, because it is made in half the time of a dataclass.
class Message(NamedTuple):
    """An event as read, and its position. ``topic`` is the catalogue's name, without the installation's prefix.

    ``value`` and ``headers`` are the record's raw bytes, kept for dead letters. ``adjustments`` tell what was not read
    as it was sent. ``time`` is 1970 where it is missing, and where only some fields of the body were read.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    event_id: str
    source: str
    type: str
    time: datetime
    body: Contract | Light
    traceparent: str | None
    value: bytes | None
    headers: Headers
    adjustments: Adjustments = ()

    @property
    def following(self) -> int:
        """The position after it."""
        return self.offset + 1


def write(event: Event, source: str) -> tuple[list[tuple[str, bytes]], bytes]:
    """The headers and value of a record in binary mode. ``source`` is such as ``/hearback/dispatcher``."""
    headers = [
        ("ce_specversion", SPECVERSION),
        ("ce_id", event.event_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", event.type.encode()),
        ("ce_time", event.time.astimezone(UTC).isoformat().encode()),
        ("content-type", BINARY_CONTENT_TYPE),
    ]
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers, event.body.model_dump_json(exclude_none=True).encode()


Readers = Mapping[str, LightReader]
"""By event type, what a consumer reads only some fields of."""

_NO_READERS: Readers = {}


def read(
    topic: Topic,
    *,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    readers: Readers = _NO_READERS,
) -> Message:
    """The event in a record of ``topic``; its body is what one of the ``readers`` read, or the whole contract.

    Raises UnreadableRecord when it is not a CloudEvent, not of a type the topic carries, or its body breaks the
    contract in a way that ``topic.adjust`` does not mend. Unknown fields are ignored.
    """
    if value is None:
        raise UnreadableRecord("the record has no value; an event must have a body")
    attributes: dict[str, bytes | None] = dict(headers)
    content_type = attributes.get("content-type")
    if content_type != BINARY_CONTENT_TYPE or "ce_type" not in attributes:
        attributes = {name.lower(): content for name, content in headers}
        content_type = attributes.get("content-type")
        if _is_structured(content_type, attributes, value):
            return _read_structured(topic, partition=partition, offset=offset, key=key, value=value, headers=headers)
        _check_json(content_type)
    try:
        event_type = attributes["ce_type"].decode()  # type: ignore[union-attr]  # see AttributeError
        event_id = attributes["ce_id"].decode()  # type: ignore[union-attr]
        source = attributes["ce_source"].decode()  # type: ignore[union-attr]
    except (KeyError, AttributeError) as error:
        missing = next(name for name in ("ce_type", "ce_id", "ce_source") if attributes.get(name) is None)
        raise UnreadableRecord(f"the header {missing} is missing; send CloudEvents in binary mode") from error
    except UnicodeDecodeError as error:
        raise UnreadableRecord("a ce_ header is not UTF-8") from error
    if not (event_id.isprintable() and 1 <= len(event_id) <= _LONGEST_ATTRIBUTE):
        _check_attribute("ce_id", event_id)
    if not (source.isprintable() and 1 <= len(source) <= _LONGEST_ATTRIBUTE):
        _check_attribute("ce_source", source)
    if attributes.get("ce_specversion") != SPECVERSION:
        _check_version(attributes.get("ce_specversion"))
    trace = attributes.get("traceparent")
    read_lightly = readers.get(event_type)
    body: Contract | Light | None = None
    time: datetime | None = _EPOCH
    adjustments: Adjustments = ()
    if read_lightly is not None and event_type in topic.bodies:
        body = read_lightly(value)
    if body is None:
        time = _time(attributes.get("ce_time"))
        body, adjustments = read_body(topic, event_type, value)
    return Message(
        topic.name,
        partition,
        offset,
        key,
        event_id,
        source,
        event_type,
        time or _EPOCH,
        body,
        None if trace is None else _trace(trace.decode("ascii", "replace")),
        value,
        headers,
        adjustments if time is not None else (_ODD_TIME, *adjustments),
    )


def check_arrival(topic: Topic, body: Contract | Light, *, arrived_at: datetime, skew: timedelta) -> None:
    """Raises UnreadableRecord for what happened more than ``skew`` after it arrived: its clock or its offset is wrong,
    and what depends on its time would be, too."""
    if topic.occurred_at is None or isinstance(body, Light):
        return
    ahead = topic.occurred_at(body) - arrived_at
    if ahead > skew:
        raise UnreadableRecord(
            f"occurred_at: is {ahead / timedelta(minutes=1):,.0f} minutes after the event arrived; check the clock and "
            "the UTC offset of whoever sends it (HEARBACK_ORDER_CLOCK_SKEW_MINUTES is what is tolerated)"
        )


def read_body(topic: Topic, event_type: str, value: bytes) -> tuple[Contract, Adjustments]:
    """The body of an event of that type, from its JSON, and what was adjusted in it. Raises UnreadableRecord."""
    model = topic.bodies.get(event_type)
    if model is None:
        known = ", ".join(topic.bodies)
        named = f" {event_type}" if _EVENT_TYPE.fullmatch(event_type) else ""
        raise UnreadableRecord(f"ce_type{named} does not belong in {topic.name}; it carries {known}")
    read_narrowly = _narrow_reader(model)
    if read_narrowly is not None and (body := read_narrowly(value)) is not None:
        return body, ()
    try:
        return model.model_validate_json(value, extra="ignore"), ()
    except ValidationError as error:
        written = _object(value, model)
        if topic.adjust is None:
            raise UnreadableRecord(explain_without_values(error, model)) from error
    adjusted, adjustments = topic.adjust(written)
    try:
        return model.model_validate(adjusted, extra="ignore"), adjustments
    except ValidationError as error:
        raise UnreadableRecord(explain_without_values(error, model)) from error


def _read_structured(
    topic: Topic, *, partition: int, offset: int, key: bytes | None, value: bytes, headers: Headers
) -> Message:
    envelope = _json(value)
    if not isinstance(envelope, Mapping):
        raise UnreadableRecord("the value is not a CloudEvent; it must be a JSON object")
    texts: dict[str, str] = {}
    for name in ("id", "source", "type", "specversion"):
        texts[name] = _check_attribute(name, envelope.get(name))
    _check_version(texts["specversion"].encode())
    written = envelope.get("time")
    time = _time(None if written is None else str(written).encode("utf-8", "replace"))
    trace = envelope.get("traceparent")
    body, adjustments = read_body(topic, texts["type"], _data(envelope))
    return Message(
        topic=topic.name,
        partition=partition,
        offset=offset,
        key=key,
        event_id=texts["id"],
        source=texts["source"],
        type=texts["type"],
        time=time or _EPOCH,
        body=body,
        traceparent=_trace(trace) if isinstance(trace, str) else None,
        value=value,
        headers=headers,
        adjustments=adjustments if time is not None else (_ODD_TIME, *adjustments),
    )


def _is_structured(content_type: bytes | None, attributes: Mapping[str, bytes | None], value: bytes) -> bool:
    """By its content type, or, since that header is easily forgotten, because the value is a whole CloudEvent."""
    if content_type is not None and content_type.lower().startswith(STRUCTURED_CONTENT_TYPE):
        return True
    return attributes.get("ce_type") is None and b'"specversion"' in value


def _check_attribute(name: str, attribute: object) -> str:
    if not isinstance(attribute, str) or not 1 <= len(attribute) <= _LONGEST_ATTRIBUTE:
        raise UnreadableRecord(f"the attribute {name} must be a string of 1 to {_LONGEST_ATTRIBUTE} characters")
    if UNSTORABLE.search(attribute):
        raise UnreadableRecord(f"the attribute {name} contains U+0000 or a lone surrogate, which cannot be stored")
    return attribute


def _check_json(content_type: bytes | None) -> None:
    if content_type is not None and content_type.strip() and not _JSON_TYPES.fullmatch(content_type.strip()):
        media_type = _MEDIA_TYPE.match(content_type)
        named = media_type[0].decode() if media_type else "no media type"
        raise UnreadableRecord(f"the content-type is {named}, and only JSON is read; send application/json")


def _check_version(version: bytes | None) -> None:
    """A missing one is forgiven: it says nothing that the other attributes do not."""
    if version is not None and not re.fullmatch(rb"1(\.[0-9]{1,3})?", version):
        raise UnreadableRecord("the specversion of the CloudEvent is not 1.0, the only one that is read")


def _trace(written: str) -> str | None:
    """Tracing is a convenience: what is not a ``traceparent`` is ignored rather than failing the event."""
    trace = _TRACE.fullmatch(written)
    if trace is None or (trace["version"] == "00" and trace["more"] is not None):
        return None
    return written[:_LONGEST_TRACE]


def _time(written: bytes | None) -> datetime | None:
    """None for what is no time. It is optional, and decisions use the times in the body: a missing one is 1970."""
    if written is None:
        return _EPOCH
    try:
        return parse_moment(written.decode(), zone=UTC)
    except ValueError:
        return None


def _data(envelope: Mapping[str, Any]) -> bytes:
    """The JSON of the data: an object, the text of one, or its bytes in Base64 (CloudEvents JSON format §3.1)."""
    data = envelope.get("data")
    if data is None and isinstance(envelope.get("data_base64"), str):
        try:
            return base64.b64decode(envelope["data_base64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise UnreadableRecord("data_base64 of the CloudEvent is not Base64") from error
    if isinstance(data, str):
        return data.encode("utf-8", "surrogatepass")
    try:
        return orjson.dumps(data)
    except TypeError:  # a lone surrogate, an integer beyond 64 bits, or many levels
        pass
    try:
        return json.dumps(data).encode()
    except RecursionError as error:
        raise UnreadableRecord("data: is nested too deeply") from error


def _object(value: bytes, model: type[Contract]) -> Mapping[str, object]:
    """The JSON object in ``value``; UnreadableRecord with the likely cause if there is none."""
    body = _json(value)
    if isinstance(body, Mapping):
        if "specversion" in body and model.model_fields.keys().isdisjoint(body):
            raise UnreadableRecord(
                "the value is a whole CloudEvent (structured mode), but the headers are those of binary mode; "
                "send application/cloudevents+json as content-type without ce_ headers, or only the data"
            )
        return body
    if isinstance(body, str) and body.lstrip().startswith("{"):
        raise UnreadableRecord("the value is a JSON string that contains JSON: it was encoded twice; encode it once")
    raise UnreadableRecord("the value is JSON, but not an object; the body of an event must be one")


def _json(value: bytes) -> Any:
    """What the JSON in ``value`` says. Lone surrogates and bytes that are not UTF-8 become lone surrogates."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(value.decode("utf-8-sig", "surrogateescape"), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise UnreadableRecord(_why_not_json(value)) from error


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _LONGEST_INTEGER else float(digits)


def _why_not_json(value: bytes) -> str:
    if not value:
        return "Invalid JSON: the value is empty"
    if value[0] == 0 and len(value) > 5:
        return (
            "the value is not JSON: it begins with the magic byte of Confluent's Schema Registry serializers; "
            "send plain JSON, with a serializer for strings or bytes"
        )
    if value.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the value is not JSON in UTF-8, but looks like UTF-16"
    if value.startswith(b"\x1f\x8b"):
        return "the value is not JSON, but compressed with gzip; let the producer compress (compression.type)"
    return "Invalid JSON: the value is not JSON"
