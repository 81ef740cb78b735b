"""What the recomputation is given: the driver's journal, and what somebody outside can read (`outside.py`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.soak.journal import Entry

WINDOWS = ("7d", "30d", "90d", "365d", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record, and the event in it; ``body`` is empty if there is none."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    type: str
    id: str
    body: Mapping[str, Any]

    @property
    def poison(self) -> bool:
        return (self.key or b"").startswith(b"poison-")

    def header(self, name: str) -> str:
        return (dict(self.headers).get(name) or b"").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """``records`` are by topic, in the order of each partition; ``mails`` the send id of each survey received;
    ``scores`` what ``/v1/nps`` serves, by window, segment ("" for everybody) and campaign ("" for all);
    ``decisions`` by customer id; ``leaks`` is how many lines of each log file have personal data."""

    entries: Sequence[Entry]
    records: Mapping[str, Sequence[Record]]
    mails: Sequence[str] = ()
    scores: Mapping[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)
    cases: Sequence[Mapping[str, Any]] = ()
    decisions: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    leaks: Mapping[str, int] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Entry]:
        return [entry for entry in self.entries if entry["kind"] == kind]

    def events(self, topic: str, *types: str) -> list[Record]:
        """Without poison."""
        return [
            record
            for record in self.records.get(topic, ())
            if not record.poison and (not types or record.type in types)
        ]
