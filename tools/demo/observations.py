"""What a demo shows: observations of the loop, and events in the simulated world."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from shared.contracts import followups

DETRACTORS = followups.topic_of("detractors")


@dataclass(slots=True)
class Observations:
    """``record_counts`` is by topic and type; ``score`` from /v1/nps, ``regions`` from /v1/nps/compare."""

    record_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    score: Mapping[str, Any] = field(default_factory=dict)
    regions: list[Mapping[str, Any]] = field(default_factory=list)
    seconds_to_case: deque[float] = field(default_factory=lambda: deque(maxlen=100))

    def count(self, topic: str, *types: str) -> int:
        """Records on a topic, of these types or of all."""
        return sum(
            number
            for (name, kind), number in self.record_counts.items()
            if name == topic and (not types or kind in types)
        )

    @property
    def typical_seconds_to_case(self) -> float | None:
        """Median from the acknowledgement of a detractor's answer to its case on the topic, in real seconds."""
        return median(self.seconds_to_case) if self.seconds_to_case else None


@dataclass(slots=True, kw_only=True)
class Activity:
    """What has happened in the simulated world so far."""

    events: int = 0
    orders: int = 0
    mails: int = 0
    answers: int = 0
    amended: int = 0
    comments: int = 0
    scanned: int = 0
    unsubscribed: int = 0
