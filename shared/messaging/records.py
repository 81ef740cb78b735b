"""Kafka records: those to publish, and those that could not be read."""

from dataclasses import dataclass

from shared.contracts.cloudevents import Headers

_LONGEST_REASON = 1_000


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
