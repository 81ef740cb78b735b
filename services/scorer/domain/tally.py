"""Adds up a batch: from where each answer or survey counts to the changes of the day counts.

This is the scorer's hot loop, which handles tens of thousands of answers per second. That is why a place in the
counts is a single integer, and why a batch is netted before anything is unpacked.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from shared.nps import Group, group_of

# What one place counts: the three groups of answers, surveys delivered, and those of them that were answered.
_COUNTERS: dict[Group, int] = {"promoter": 0, "passive": 1, "detractor": 2}
_DELIVERED, _ANSWERED = 3, 4
_COUNTER_BITS, _DAY_BITS, _CAMPAIGN_BITS = 3, 20, 31
_BELOW_SEGMENT = _COUNTER_BITS + _DAY_BITS + _CAMPAIGN_BITS


# A batch has few of these, many times.
@lru_cache(maxsize=20_000)
def score_place(campaign_id: int, day: date, score: int) -> int:
    """Where an answer with this score counts, without the segment."""
    return answer_place(campaign_id, day, group_of(score))


def answer_place(campaign_id: int, day: date, group: Group) -> int:
    """Where an answer of this group counts, without the segment."""
    return ((campaign_id << _DAY_BITS) | day.toordinal()) << _COUNTER_BITS | _COUNTERS[group]


def delivered_place(campaign_id: int, day: date) -> int:
    """Where a delivered survey counts, without the segment."""
    return ((campaign_id << _DAY_BITS) | day.toordinal()) << _COUNTER_BITS | _DELIVERED


def answered_place(campaign_id: int, day: date) -> int:
    """Where a delivered survey that was answered counts, without the segment; ``day`` is the survey's."""
    return ((campaign_id << _DAY_BITS) | day.toordinal()) << _COUNTER_BITS | _ANSWERED


class DayChange(NamedTuple):
    """What to add to the counts of one segment, campaign and day.

    Answers count on the day they were given; surveys ``delivered``, and those of them ``answered``, on the day they
    were sent.
    """

    segment_id: int
    campaign_id: int
    day: date
    promoters: int
    passives: int
    detractors: int
    delivered: int
    answered: int


class Tally:
    """Additions to and removals from the counts, netted."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, places: Sequence[int], segments: Sequence[Sequence[int]]) -> None:
        """Counts each place once in each of its segments; the two sequences are parallel."""
        self._counts.update(_spread(places, segments))

    def remove(self, places: Sequence[int], segments: Sequence[Sequence[int]]) -> None:
        self._counts.subtract(_spread(places, segments))

    def changes(self) -> list[DayChange]:
        """What is left after netting, ascending by segment, campaign and day: the order in which all processes lock the
        day counts."""
        cells: dict[int, list[int]] = {}
        for packed, count in self._counts.items():
            if count:
                cells.setdefault(packed >> _COUNTER_BITS, [0] * 5)[packed & 7] += count
        return [_change(cell, cells[cell]) for cell in sorted(cells)]


def _spread(places: Sequence[int], segments: Sequence[Sequence[int]]) -> list[int]:
    return [
        (segment << _BELOW_SEGMENT) | place
        for place, of_place in zip(places, segments, strict=True)
        for segment in of_place
    ]


def _change(cell: int, counts: list[int]) -> DayChange:
    day = cell & ((1 << _DAY_BITS) - 1)
    campaign = (cell >> _DAY_BITS) & ((1 << _CAMPAIGN_BITS) - 1)
    segment = cell >> (_DAY_BITS + _CAMPAIGN_BITS)
    return DayChange(segment, campaign, date.fromordinal(day), *counts)  # in the order of the counters
