"""What the counts must be, and how far those found are from it."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.answers import CountKey

Counts = Mapping[str, tuple[int, int, int]]
"""By segment and day, joined by ``|``: promoters, passives and detractors."""

_GROUPS = ("promoter", "passive", "detractor")
_EVERYBODY = "everybody|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """``wrong`` of ``compared`` counts differ. ``too_many`` and ``too_few`` are in answers, from the segment that each
    answer is in once: everybody. An amendment that was not applied is one too many in one group and day, and one too
    few in another.
    """

    wrong: int
    compared: int
    too_many: int
    too_few: int

    @property
    def text(self) -> str:
        if not self.wrong:
            return f"exact: {self.compared:,} counts"
        return (
            f"{self.too_many:,} answers too many, {self.too_few:,} too few; "
            f"{self.wrong:,} of {self.compared:,} counts differ"
        )


def by_segment_and_day(expected: Mapping[CountKey, int]) -> Counts:
    """The expected counts in the form in which peers publish theirs. Campaigns, which plain answers have none of, are
    left out, as is what was taken back altogether."""
    counts: dict[str, list[int]] = {}
    for (segment, _campaign, day, group), count in expected.items():
        counts.setdefault(f"{segment}|{day}", [0, 0, 0])[_GROUPS.index(group)] += count
    return {key: (count[0], count[1], count[2]) for key, count in counts.items() if any(count)}


def compare(found: Counts, expected: Counts) -> Difference:
    """A count that is missing is none; so one of zeros may be there or not."""
    wrong = too_many = too_few = 0
    keys = found.keys() | expected.keys()
    for key in keys:
        differences = [have - wanted for have, wanted in zip(_of(key, found), _of(key, expected), strict=True)]
        if any(differences):
            wrong += 1
        if key.startswith(_EVERYBODY):
            too_many += sum(difference for difference in differences if difference > 0)
            too_few -= sum(difference for difference in differences if difference < 0)
    return Difference(wrong=wrong, compared=len(keys), too_many=too_many, too_few=too_few)


def _of(key: str, counts: Counts) -> tuple[int, int, int]:
    return counts.get(key, (0, 0, 0))
