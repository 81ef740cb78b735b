"""The contents of a topic, decoded by the audit's own code."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

import orjson

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_JSON_TYPE = re.compile(r"$|[^;]*\bjson *(;|$)|(text/plain|application/octet-stream) *(;|$)")

Location = tuple[str, int, int]
"""Topic, partition and offset of a record."""

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
    published: datetime | None = None
    """When its producer, or the broker, says that it was written, in real time."""
    damaged: bool = False
    """Whether Kafka's clients cannot unpack it, so that this is what can be had of it."""

    @property
    def location(self) -> Location:
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
    """The CloudEvent in a record, in binary or structured mode; None when it is not one.

    Read as forgivingly as the services do: with a byte order mark, without a content type, with its data as text.
    """
    content = _json(record.value or b"")
    if not isinstance(content, dict):
        return None
    named = {name.lower(): value.decode("utf-8", "replace") for name, value in record.headers if value is not None}
    content_type = named.get("content-type", "").strip().lower()
    if content_type.startswith("application/cloudevents+json") or ("ce_type" not in named and "specversion" in content):
        source, event_id, event_type = (content.get(name) for name in ("source", "id", "type"))
        version, body = content.get("specversion", "1.0"), _data(content)
    else:
        source, event_id, event_type = (named.get(name) for name in ("ce_source", "ce_id", "ce_type"))
        version, body = named.get("ce_specversion", "1.0"), content
        if not _JSON_TYPE.match(content_type):
            return None
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        return None
    if _is_name(source) and _is_name(event_id) and isinstance(event_type, str) and isinstance(body, dict):
        return Event(source=source, id=event_id, type=event_type, body=body)
    return None


def _is_name(text: object) -> TypeGuard[str]:
    """Whether an event may be identified by it; no table can hold U+0000."""
    return isinstance(text, str) and 1 <= len(text) <= 500 and "\x00" not in text


def _data(envelope: dict[str, Any]) -> Any:
    data, encoded = envelope.get("data"), envelope.get("data_base64")
    if data is None and isinstance(encoded, str):
        try:
            return _json(base64.b64decode(encoded, validate=True))
        except ValueError:
            return None
    return _json(data.encode("utf-8", "surrogatepass")) if isinstance(data, str) else data


def _json(value: bytes) -> Any:
    """None for what is not JSON. What cannot be stored as text, such as a lone surrogate, is kept as it is."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        try:
            return json.loads(value.decode("utf-8-sig", "surrogateescape"))
        except (ValueError, RecursionError):
            return None


def moment(text: str) -> datetime:
    """Raises ValueError for anything but a timestamp with an offset."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return found


def any_moment(text: str, like: str = "") -> datetime:
    """A timestamp as shops write it, without an offset in that of ``like``. Raises ValueError like ``moment``, and for
    what is outside the years 1970 to 2199, which is nobody's order."""
    found = datetime.fromisoformat(text.strip().upper())
    zone = datetime.fromisoformat(like.strip().upper()).tzinfo if like else None
    if found.tzinfo is None and zone is None:
        raise ValueError(f"{text!r} has no offset")
    found = found if found.tzinfo is not None else found.replace(tzinfo=zone)
    if not _EARLIEST <= found < _LATEST:
        raise ValueError(f"{text!r} is outside the years 1970 to 2199")
    return found
