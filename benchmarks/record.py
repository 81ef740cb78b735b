"""A record to be published, before it has a topic."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
