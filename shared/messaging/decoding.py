"""Decodes Kafka records into the messages for a handler, one record at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.contracts import cloudevents
from shared.contracts.cloudevents import Headers, Message, Readers, UnreadableRecord
from shared.contracts.topics import Topic
from shared.messaging.records import DeadLetter, shown_event_id
from shared.messaging.unpacking import RawRecord

_NO_READERS: Readers = {}


class Record(Protocol):
    """What decoding needs of a record, whoever unpacked it."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


def decode(
    topic: Topic,
    records: Sequence[Record],
    *,
    partition: int,
    arrived_at: datetime,
    skew: timedelta,
    readers: Readers = _NO_READERS,
) -> list[Message | DeadLetter]:
    """Each record of a partition as a message or a dead letter. Never raises: a bad record does not affect others.

    One that is not an event removes its key from a compacted topic, if it has no value, and tells nobody anything.

    They ``arrived_at`` that time, and may have happened up to ``skew`` after it by the clock of whoever sent them.
    """
    items: list[Message | DeadLetter] = []
    for record in records:
        if record.value is None and topic.compacted and all(name != "ce_type" for name, _ in record.headers):
            continue
        try:
            message = cloudevents.read(
                topic,
                partition=partition,
                offset=record.offset,
                key=record.key,
                value=record.value,
                headers=record.headers,
                readers=readers,
            )
            if topic.occurred_at is not None:
                cloudevents.check_arrival(topic, message.body, arrived_at=arrived_at, skew=skew)
            items.append(message)
        except Exception as error:
            expected = isinstance(error, UnreadableRecord)
            items.append(
                DeadLetter(
                    topic=topic.name,
                    partition=partition,
                    offset=record.offset,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                    reason=str(error) if expected else type(error).__name__,
                    event_id=event_id(record.headers),
                    unexpected=not expected,
                )
            )
    return items


def event_id(headers: Headers) -> str | None:
    """The ``ce_id`` of a record that may be unreadable, if it has a usable one."""
    for name, value in headers:
        if name == "ce_id" and value is not None:
            return shown_event_id(value.decode("utf-8", "replace"))
    return None


def decode_raw(
    topic: Topic, records: Sequence[RawRecord], *, arrived_at: datetime, skew: timedelta
) -> list[Message | DeadLetter]:
    """The same for records that we unpacked ourselves: those with a fault become dead letters."""
    items: list[Message | DeadLetter] = []
    for record in records:
        if record.fault is None:
            items += decode(topic, [record], partition=record.partition, arrived_at=arrived_at, skew=skew)
        else:
            items.append(
                DeadLetter(
                    topic=topic.name,
                    partition=record.partition,
                    offset=record.offset,
                    key=record.key,
                    value=record.value,
                    headers=record.headers,
                    reason=record.fault,
                    records=record.records,
                    event_id=event_id(record.headers),
                )
            )
    return items
