"""A realistic stream of answers, and the counts they must result in."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

from benchmarks.record import Record
from shared.contracts.answers import AMENDED, RECORDED
from shared.nps import group_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What answers carry. An answer counts in one value of each dimension, and in everybody.

    ``dimensions`` are the numbers of values, few of which are common; of the dimension ``several``, an answer has one
    to three. With ``campaigns`` each is about a survey of one of these, and has the ids that go with it. ``commented``
    is the share with a comment.
    """

    dimensions: Mapping[str, int]
    several: str | None = None
    campaigns: int = 0
    commented: float = 0.0

    @property
    def segments(self) -> int:
        """Segment values altogether."""
        return sum(self.dimensions.values())


PLAIN = Kind(dimensions={"country": 20, "category": 150, "tier": 30})
"""Answers of an API: a score and 200 segment values."""

RICH = Kind(
    dimensions={"country": 40, "region": 2_500, "category": 400, "tier": 10, "cohort": 50, "product": 7_000},
    several="category",
    campaigns=5,
    commented=0.4,
)
"""Answers to surveys: with everything that the contract knows, and 10,000 segment values."""

DAYS = 30
_LATE_SHARE, _AMENDED_SHARE, _DUPLICATE_SHARE = 0.05, 0.02, 0.01
_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_source", b"/hearback/collector"),
    ("content-type", b"application/json"),
)
_SCORES = (0, 3, 5, 6, 7, 8, 8, 9, 9, 10, 10, 10)
_COMMENTS = (
    "Fast delivery, and the wrapping was lovely.",
    "Chegou tudo certinho, não tenho do que reclamar. O prazo foi menor do que o informado!",
    'It came late.\nThe box was "wet", and nobody answered when I called.',
    "Fine",
    "I have ordered here for years; this time the size was wrong, which was a pity. Exchanging it took three weeks.",
)

CountKey = tuple[str, str, str, str]
"""Segment, campaign (empty without one), day and group."""


@dataclass(kw_only=True)
class Answers:
    """``count`` records over DAYS days up to ``end``: one in twenty up to ten days late, some amended, some duplicated.

    Iterating fills ``expected`` and ``surveys``, the ids of the surveys answered. Ids are random, like hashed ids. The
    same seed gives the same records.
    """

    count: int
    kind: Kind = PLAIN
    end: datetime = field(default_factory=lambda: datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
    seed: int = 1
    expected: Counter[CountKey] = field(default_factory=Counter)
    surveys: int = 0

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
                answer = self._new(rng, now - late)
                if len(recent) < 2_000:
                    recent.append(answer)
                else:
                    recent[number % 2_000] = answer
            self._count(answer, 1)
            yield answer.record()

    def _new(self, rng: random.Random, at: datetime) -> "_Answer":
        kind = self.kind
        segments: dict[str, list[str]] = {}
        for name, values in kind.dimensions.items():
            number = rng.randrange(1, 4) if name == kind.several else 1
            segments[name] = list({f"{name[0]}{int(values * rng.random() ** 2)}": None for _ in range(number)})
        answer = _Answer(
            answer_id=_random_id(rng), revision=1, score=rng.choice(_SCORES), answered_at=at, segments=segments
        )
        if kind.campaigns:
            self.surveys += 1
            answer.campaign = f"campaign-{rng.randrange(kind.campaigns)}"
            answer.more = {
                "channel": "email",
                "send_id": _random_id(rng),
                "customer_id": f"c-{rng.randrange(1_000_000)}",
                "order_id": f"{rng.randrange(10_000_000)}",
                "campaign": answer.campaign,
                "campaign_version": 3,
                "locale": "pt-BR",
            }
        if rng.random() < kind.commented:
            answer.more["comment"] = rng.choice(_COMMENTS)
        return answer

    def _count(self, answer: "_Answer", count: int) -> None:
        day, group = answer.answered_at.date().isoformat(), group_of(answer.score)
        self.expected["everybody", answer.campaign, day, group] += count
        for dimension, values in answer.segments.items():
            for value in values:
                self.expected[f"{dimension}:{value}", answer.campaign, day, group] += count


def _random_id(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


@dataclass(kw_only=True)
class _Answer:
    answer_id: str
    revision: int
    score: int
    answered_at: datetime
    segments: dict[str, list[str]]
    campaign: str = ""
    more: dict[str, object] = field(default_factory=dict)

    def record(self) -> Record:
        at = self.answered_at.isoformat(timespec="milliseconds")
        body = {
            "answer_id": self.answer_id,
            "revision": self.revision,
            "score": self.score,
            "answered_at": at,
            "received_at": at,
            **self.more,
            "segments": {name: values if len(values) > 1 else values[0] for name, values in self.segments.items()},
        }
        headers = [
            *_HEADERS,
            ("ce_id", f"{self.answer_id}.{self.revision}".encode()),
            ("ce_type", (RECORDED if self.revision == 1 else AMENDED).encode()),
            ("ce_time", at.encode()),
        ]
        return Record(key=self.answer_id.encode(), value=orjson.dumps(body), headers=headers)
