"""The figures a second time, from their definitions, so that a mistake in the product's formula is a difference.

Each answer is worth +100, 0 or −100 points; the NPS is their mean. The interval is that of the mean of the answers and
three more, worth +100 with weight ¾, 0 with 1½ and −100 with ¾ (docs/scorer.md). All in exact fractions up to the root.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution (any table of it)."""
_WORTH = (100, 0, -100)
_ADDED = (Fraction(3, 4), Fraction(3, 2), Fraction(3, 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of answers of each group."""

    promoters: int = 0
    passives: int = 0
    detractors: int = 0

    @property
    def n(self) -> int:
        return sum(self.of_groups)

    @property
    def of_groups(self) -> tuple[int, int, int]:
        """In the order of their worth, best first."""
        return self.promoters, self.passives, self.detractors

    def __add__(self, other: "Counts") -> "Counts":
        return _of_groups(*(one + more for one, more in zip(self.of_groups, other.of_groups, strict=True)))

    def __sub__(self, other: "Counts") -> "Counts":
        return _of_groups(*(one - less for one, less in zip(self.of_groups, other.of_groups, strict=True)))


def _of_groups(promoters: int, passives: int, detractors: int) -> Counts:
    return Counts(promoters=promoters, passives=passives, detractors=detractors)


def group_of(score: int) -> str:
    """0–6 detractor, 7 and 8 passive, 9 and 10 promoter."""
    if score >= 9:
        return "promoter"
    return "passive" if score >= 7 else "detractor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Points; ``nps`` is None without answers."""

    nps: float | None
    low: float
    high: float


def figures(counts: Counts) -> Figures:
    if not counts.n:
        return Figures(nps=None, low=-100, high=100)
    nps = float(sum(worth * many for worth, many in zip(_WORTH, counts.of_groups, strict=True)) / Fraction(counts.n))
    mean, error = _mean_and_squared_error(counts)
    half = _Z * sqrt(error)
    return Figures(nps=nps, low=min(nps, max(-100, float(mean) - half)), high=max(nps, min(100, float(mean) + half)))


def difference(now: Counts, before: Counts) -> tuple[float, bool] | None:
    """The difference of the two scores in points, and whether it is significant at 95 %; None if either is empty."""
    if not now.n or not before.n:
        return None
    (mean, error), (mean_before, error_before) = _mean_and_squared_error(now), _mean_and_squared_error(before)
    significant = abs(float(mean - mean_before)) > _Z * sqrt(error + error_before)
    return (figures(now).nps or 0) - (figures(before).nps or 0), significant


def _mean_and_squared_error(counts: Counts) -> tuple[Fraction, Fraction]:
    """The mean of the answers and those added, and the square of its standard error."""
    weights = [many + added for many, added in zip(counts.of_groups, _ADDED, strict=True)]
    total = sum(weights, Fraction())
    mean = sum((worth * weight for worth, weight in zip(_WORTH, weights, strict=True)), Fraction()) / total
    squares = sum((weight * (worth - mean) ** 2 for worth, weight in zip(_WORTH, weights, strict=True)), Fraction())
    return mean, squares / total / total
