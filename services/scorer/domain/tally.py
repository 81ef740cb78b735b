"""Adds up a batch: from where each answer or survey counts to the changes of the day counts.

This is the scorer's hot loop, which handles tens of thousands of answers per second. That is why a place in the
counts is a single integer, and why the segments of each are gathered first and counted by Python itself.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from shared.nps import Group, group_of

# What one place counts: the three groups of answers, surveys delivered, and those of them that were answered.
_COUNTERS: dict[Group, int] = {"promoter": 0, "passive": 1, "detractor": 2}
_DELIVERED, _ANSWERED = 3, 4
_COUNTER_BITS, _DAY_BITS = 3, 20
_ALL_COUNTERS, _ALL_DAYS = (1 << _COUNTER_BITS) - 1, (1 << _DAY_BITS) - 1


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


class Cell(NamedTuple):
    """What a row of the day counts is of."""

    segment_id: int
    campaign_id: int
    day: date


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
        # By place: the segments, as often as they count there. A batch has few places and many answers.
        self._added: defaultdict[int, list[int]] = defaultdict(list)
        self._removed: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, places: Sequence[int], segments: Sequence[Sequence[int]]) -> None:
        _spread(self._added, places, segments)

    def remove(self, places: Sequence[int], segments: Sequence[Sequence[int]]) -> None:
        _spread(self._removed, places, segments)

    def changes(self) -> list[DayChange]:
        """What is left after netting, each segment, campaign and day once."""
        days: defaultdict[int, dict[int, list[int]]] = defaultdict(dict)
        for place in self._added.keys() | self._removed.keys():
            counted = Counter(self._added.get(place, ()))
            if place in self._removed:
                counted.subtract(self._removed[place])
            of_day, counter = days[place >> _COUNTER_BITS], place & _ALL_COUNTERS
            for segment, count in counted.items():
                counts = of_day.get(segment)
                if counts is None:
                    counts = of_day[segment] = [0, 0, 0, 0, 0]
                counts[counter] += count
        changes = []
        for packed, of_day in days.items():
            campaign, day = packed >> _DAY_BITS, date.fromordinal(packed & _ALL_DAYS)
            for segment, counts in of_day.items():
                if any(counts):
                    changes.append(DayChange(segment, campaign, day, *counts))  # in the order of the counters
        return changes


def _spread(into: defaultdict[int, list[int]], places: Sequence[int], segments: Sequence[Sequence[int]]) -> None:
    for place, of_place in zip(places, segments, strict=True):
        into[place] += of_place
