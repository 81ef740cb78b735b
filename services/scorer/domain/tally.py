"""From a batch of answers to what changes in the counts.

This is the innermost loop of the scorer: it handles tens of thousands of answers a second, so a count's place is one
whole number, and a batch is added up before anything is looked at.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid5

from shared.contracts.answers import Answer, AnswerErased

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_OTHER_IDS = UUID("0b1d6a0e-9f3b-5b7c-8a54-2f4f5d0c9e11")


def key_of(identifier: str) -> str:
    """The UUID an answer or send is stored under: its id where that is one in canonical form, else one made from it.

    A UUID takes 16 bytes in the index where a free id takes up to 200. Other spellings of a UUID are other ids.
    """
    return identifier if _CANONICAL(identifier) else str(uuid5(_OTHER_IDS, identifier))


def newest(bodies: Iterable[Answer | AnswerErased]) -> dict[str, Answer | AnswerErased]:
    """Of each answer the highest revision. At the same revision an erasure wins, whichever comes first."""
    held: dict[str, Answer | AnswerErased] = {}
    for body in bodies:
        other = held.setdefault(body.answer_id, body)
        if other is not body and (
            body.revision > other.revision or (body.revision == other.revision and isinstance(body, AnswerErased))
        ):
            held[body.answer_id] = body
    return held


# What one place counts: the three groups of answers given to no survey of ours, the same of answers to a survey, and
# surveys delivered. `GROUP_OF_SCORE` is indexed by the score.
_PROMOTER, _PASSIVE, _DETRACTOR, _SURVEYED, DELIVERED = 0, 1, 2, 3, 6
_GROUP_OF_SCORE = (_DETRACTOR,) * 7 + (_PASSIVE,) * 2 + (_PROMOTER,) * 2
_COUNTER_BITS, _DAY_BITS, _CAMPAIGN_BITS = 3, 20, 31
_BELOW_SEGMENT = _COUNTER_BITS + _DAY_BITS + _CAMPAIGN_BITS


def place(campaign_id: int, day: date, score: int, surveyed: bool) -> int:
    """Where an answer counts, but for the segment."""
    counter = _GROUP_OF_SCORE[score] + (_SURVEYED if surveyed else 0)
    return ((campaign_id << _DAY_BITS) | day.toordinal()) << _COUNTER_BITS | counter


def delivered_place(campaign_id: int, day: date) -> int:
    """Where a delivered survey counts, but for the segment."""
    return ((campaign_id << _DAY_BITS) | day.toordinal()) << _COUNTER_BITS | DELIVERED


@dataclass(frozen=True, slots=True)
class DayChange:
    """What to add to the counts of one segment, campaign and day; ``surveyed`` counts answers to a survey of ours."""

    segment_id: int
    campaign_id: int
    day: date
    promoters: int
    passives: int
    detractors: int
    surveyed: int
    delivered: int


class Tally:
    """Additions to and removals from the counts, netted."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, places: Sequence[int], segments: Sequence[Sequence[int]]) -> None:
        """Counts each place in each of its segments; the two sequences run side by side."""
        self._counts.update(_spread(places, segments))

    def remove(self, places: Sequence[int], segments: Sequence[Sequence[int]]) -> None:
        self._counts.subtract(_spread(places, segments))

    def changes(self) -> list[DayChange]:
        """What is left after netting, in the one order in which every process locks the counts."""
        cells: dict[int, list[int]] = {}
        for packed, count in self._counts.items():
            if count:
                cells.setdefault(packed >> _COUNTER_BITS, [0] * 7)[packed & 7] += count
        return [change for cell in sorted(cells) if (change := _change(cell, cells[cell])) is not None]


def _spread(places: Sequence[int], segments: Sequence[Sequence[int]]) -> list[int]:
    return [
        (segment << _BELOW_SEGMENT) | at
        for at, of_answer in zip(places, segments, strict=True)
        for segment in of_answer
    ]


def _change(cell: int, counts: list[int]) -> DayChange | None:
    promoters, passives, detractors = (counts[group] + counts[_SURVEYED + group] for group in range(3))
    surveyed = sum(counts[_SURVEYED:DELIVERED])
    if not (promoters or passives or detractors or surveyed or counts[DELIVERED]):
        return None
    day = cell & ((1 << _DAY_BITS) - 1)
    campaign = (cell >> _DAY_BITS) & ((1 << _CAMPAIGN_BITS) - 1)
    segment = cell >> (_DAY_BITS + _CAMPAIGN_BITS)
    return DayChange(
        segment, campaign, date.fromordinal(day), promoters, passives, detractors, surveyed, counts[DELIVERED]
    )
