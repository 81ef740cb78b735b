"""A realistic stream of answers, and the counts they must result in."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.stream import Record
from shared.contracts.answers import AMENDED, RECORDED
from shared.nps import group_of

DIMENSIONS = {"country": 20, "category": 150, "tier": 30}
"""200 segment values; every answer counts in one value of each dimension, and in everybody."""
DAYS = 30
_LATE_SHARE, _AMENDED_SHARE, _DUPLICATE_SHARE = 0.05, 0.02, 0.01
_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_source", b"/hearback/collector"),
    ("content-type", b"application/json"),
)

CountKey = tuple[str, str, str]
"""Segment, day and group."""


@dataclass(kw_only=True)
class Answers:
    """``count`` records over DAYS days up to ``end``: one in twenty up to ten days late, some amended, some duplicated.

    Iterating fills ``expected``. Ids are random, like hashed ids. The same seed gives the same records.
    """

    count: int
    end: datetime = field(default_factory=lambda: datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    seed: int = 1
    expected: Counter[CountKey] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Record]:
        rng = random.Random(self.seed)
        start = self.end - timedelta(days=DAYS)
        recent: list[_Answer] = []
        for number in range(self.count):
            chance = rng.random()
            if recent and chance < _DUPLICATE_SHARE:
                yield rng.choice(recent).record()
                continue
            now = start + timedelta(days=DAYS) * (number / self.count)
            if recent and chance < _DUPLICATE_SHARE + _AMENDED_SHARE:
                answer = rng.choice(recent)
                self._count(answer, -1)
                answer.revision += 1
                answer.score = rng.choice(_SCORES)
                answer.answered_at = now
            else:
                late = timedelta(days=rng.random() * 10) if rng.random() < _LATE_SHARE else timedelta()
                segments = {name: f"{name[0]}{rng.randrange(values)}" for name, values in DIMENSIONS.items()}
                answer = _Answer(
                    answer_id=str(UUID(int=rng.getrandbits(128), version=4)),
                    revision=1,
                    score=rng.choice(_SCORES),
                    answered_at=now - late,
                    segments=segments,
                )
                if len(recent) < 2_000:
                    recent.append(answer)
                else:
                    recent[number % 2_000] = answer
            self._count(answer, 1)
            yield answer.record()

    def _count(self, answer: "_Answer", count: int) -> None:
        day, group = answer.answered_at.date().isoformat(), group_of(answer.score)
        self.expected["everybody", day, group] += count
        for dimension, value in answer.segments.items():
            self.expected[f"{dimension}:{value}", day, group] += count


_SCORES = (0, 3, 5, 6, 7, 8, 8, 9, 9, 10, 10, 10)


@dataclass(kw_only=True)
class _Answer:
    answer_id: str
    revision: int
    score: int
    answered_at: datetime
    segments: dict[str, str]

    def record(self) -> Record:
        at = self.answered_at.isoformat(timespec="milliseconds")
        segments = ",".join(f'"{dimension}":"{value}"' for dimension, value in self.segments.items())
        value = (
            f'{{"answer_id":"{self.answer_id}","revision":{self.revision},"score":{self.score},"answered_at":"{at}",'
            f'"received_at":"{at}","segments":{{{segments}}}}}'
        )
        headers = [
            *_HEADERS,
            ("ce_id", f"{self.answer_id}.{self.revision}".encode()),
            ("ce_type", (RECORDED if self.revision == 1 else AMENDED).encode()),
            ("ce_time", at.encode()),
        ]
        return Record(key=self.answer_id.encode(), value=value.encode(), headers=headers)
