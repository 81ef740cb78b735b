"""Kafka records: those to publish, and those that could not be read."""

from dataclasses import dataclass

from shared.contracts.cloudevents import Headers

_LONGEST_REASON = 1_000
_LONGEST_EVENT_ID = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record to publish. ``topic`` is the catalogue's name. Without a value, compaction removes its key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size(self) -> int:
        """The bytes of its value."""
        return len(self.value or b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that cannot be read or handled. ``reason`` names the field and the rule, never the value.

    ``topic`` is the catalogue's name. ``records`` is more than 1 for a batch whose records cannot be told apart: the
    letter then stands for all of them, from ``offset`` on. ``unexpected`` means that the error was not one that
    unreadable records cause, so the fault may be in our own code.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    records: int = 1
    event_id: str | None = None
    unexpected: bool = False

    @property
    def following(self) -> int:
        """The position after it."""
        return self.offset + self.records

    @property
    def short_reason(self) -> str:
        """The reason as stored and published; one about many fields can be long."""
        return self.reason[:_LONGEST_REASON]


def shown_event_id(event_id: str) -> str | None:
    """A ``ce_id`` as it is told with a dead letter, if it can be. Whatever a record holds, what is told of its letter
    must be storable: a letter that cannot be written would stop its consumer for good."""
    shown = event_id[:_LONGEST_EVENT_ID]
    return shown if shown.isprintable() and shown else None
