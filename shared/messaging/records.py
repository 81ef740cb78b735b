"""Kafka records: those to publish, and those that could not be read."""

from dataclasses import dataclass

from shared.contracts.cloudevents import Headers

_LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record to publish. ``topic`` is the catalogue's name."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that cannot be read or handled. ``reason`` names the field and the rule, never the value.

    ``topic`` is the catalogue's name.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str

    @property
    def short_reason(self) -> str:
        """The reason as stored and published; one about many fields can be long."""
        return self.reason[:_LONGEST_REASON]
