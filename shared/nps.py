"""The Net Promoter Score, its confidence interval, and the significance of differences.

0–6 is a detractor, 7–8 a passive, 9–10 a promoter; NPS = 100·(promoters − detractors)/n points, undefined for n = 0
(F. Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, copysign, floor, sqrt
from statistics import NormalDist
from typing import Literal, NamedTuple

SCORES = range(11)
"""The scale."""

Group = Literal["detractor", "passive", "promoter"]
SCORES_OF_GROUP: Mapping[Group, range] = {
    "detractor": range(7),
    "passive": range(7, 9),
    "promoter": range(9, 11),
}
_GROUPS_BY_SCORE: tuple[Group, ...] = tuple(group for group, scores in SCORES_OF_GROUP.items() for _ in scores)

CONFIDENCE = 0.95
_STANDARD_NORMAL = NormalDist()
Z_95 = _STANDARD_NORMAL.inv_cdf(0.5 + CONFIDENCE / 2)


def rounded(value: float, decimals: int = 0) -> float:
    """The one rounding rule for what people read: halves away from zero, so that +2.5 and −2.5 become +3 and −3."""
    factor = 10**decimals
    return copysign(floor(abs(value) * factor + 0.5) / factor, value) + 0.0  # no negative zero


def group_of(score: int) -> Group:
    """The group of a score from 0 to 10. Raises ValueError for any other score."""
    if score not in SCORES:
        raise ValueError(f"score is {score}; it must be a whole number from 0 to 10")
    return _GROUPS_BY_SCORE[score]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of answers of each group. Counts can be added and subtracted."""

    promoters: int = 0
    passives: int = 0
    detractors: int = 0

    @property
    def n(self) -> int:
        return self.promoters + self.passives + self.detractors

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            promoters=self.promoters + other.promoters,
            passives=self.passives + other.passives,
            detractors=self.detractors + other.detractors,
        )

    def __sub__(self, other: "Counts") -> "Counts":
        """These answers without ``other``, which must be a subset."""
        return Counts(
            promoters=self.promoters - other.promoters,
            passives=self.passives - other.passives,
            detractors=self.detractors - other.detractors,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPromoterScore:
    """Points from −100 to 100. Without answers ``nps`` is None and the interval is the whole range."""

    nps: float | None
    low: float
    high: float
    counts: Counts

    @property
    def margin(self) -> float:
        """Half the interval's width in points; shown as "±" unless ``lopsided``."""
        return (self.high - self.low) / 2

    @property
    def lopsided(self) -> bool:
        """Whether the score is a point or more off the middle of its interval, so that "±" would be wrong.

        So it is near ±100, and in small samples.
        """
        return self.nps is not None and abs(self.nps - (self.low + self.high) / 2) >= 1


def net_promoter_score(counts: Counts, z: float = Z_95) -> NetPromoterScore:
    """The score with its adjusted Wald interval, clipped to ±100 and widened to contain the score itself.

    Three pseudo-answers are added, ¾ promoter, 1½ passive, ¾ detractor, which keeps the interval's coverage near its
    nominal level in small samples (J. Sauro and J. R. Lewis, after B. Rocks, "Interval Estimation for the Net Promoter
    Score", The American Statistician 70(4), 2016). They pull the interval towards 0, in tiny samples past the score.
    """
    n = counts.n
    if n == 0:
        return NetPromoterScore(nps=None, low=-100.0, high=100.0, counts=counts)
    nps = 100 * (counts.promoters - counts.detractors) / n
    adjusted = _adjusted(counts)
    spread = 100 * z * sqrt(adjusted.variance / adjusted.answers)
    return NetPromoterScore(
        nps=nps,
        low=min(nps, max(-100.0, adjusted.points - spread)),
        high=max(nps, min(100.0, adjusted.points + spread)),
        counts=counts,
    )


class _Adjusted(NamedTuple):
    """With the three pseudo-answers: the score in points, V of one answer, and the number of answers."""

    points: float
    variance: float
    answers: int


def _adjusted(counts: Counts) -> _Adjusted:
    answers = counts.n + 3
    promoters, detractors = (counts.promoters + 0.75) / answers, (counts.detractors + 0.75) / answers
    return _Adjusted(100 * (promoters - detractors), variance(promoters, detractors), answers)


LARGEST_VARIANCE = 1.0
"""V of half promoters, half detractors."""


def variance(promoters: float, detractors: float) -> float:
    """V = p + d − (p − d)² of one answer valued 1, 0 or −1; ``promoters`` and ``detractors`` are shares of 1."""
    return promoters + detractors - (promoters - detractors) ** 2


def adjusted_variance(counts: Counts) -> float:
    """V of the adjusted shares, as in the interval: above 0 even if all answers so far are alike."""
    return _adjusted(counts).variance


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``points`` is the difference of the two scores; ``significant`` if it is statistically significant.

    ``p_value`` is two-sided and of this comparison alone; the interval and ``significant`` are corrected for the
    number of comparisons.
    """

    points: float
    low: float
    high: float
    p_value: float
    significant: bool


def change(now: Counts, *, before: Counts, comparisons: int = 1) -> Change | None:
    """The difference of two independent scores and its interval, SE = √(V₁/n₁ + V₂/n₂); None if either has no answers.

    Shares and n are the adjusted ones of the score's interval, both in the difference that is tested and in its error:
    the unadjusted difference over the adjusted error would call chance significant twice as often as it says.
    ``comparisons`` is how many are shown together; the significance level is divided by it (Bonferroni). The interval
    is widened to contain ``points``.
    """
    if now.n == 0 or before.n == 0:
        return None
    difference, error = _difference(now, before)
    spread = error * _z_of(max(1, comparisons))
    points = 100 * ((now.promoters - now.detractors) / now.n - (before.promoters - before.detractors) / before.n)
    return Change(
        points=points,
        low=min(points, max(-200.0, difference - spread)),
        high=max(points, min(200.0, difference + spread)),
        p_value=2 * _STANDARD_NORMAL.cdf(-abs(difference) / error),
        significant=abs(difference) > spread,
    )


def differs(one: Counts, other: Counts, *, comparisons: int = 1) -> bool | None:
    """Whether two independent scores differ significantly, as ``change`` says it; None if either has no answers."""
    if one.n == 0 or other.n == 0:
        return None
    difference, error = _difference(one, other)
    return abs(difference) > error * _z_of(max(1, comparisons))


def _difference(now: Counts, before: Counts) -> tuple[float, float]:
    """Of the adjusted scores, in points, and its standard error."""
    one, other = _adjusted(now), _adjusted(before)
    error = 100 * sqrt(one.variance / one.answers + other.variance / other.answers)
    return one.points - other.points, error


@lru_cache(maxsize=1_000)
def _z_of(comparisons: int) -> float:
    """Of the two-sided interval whose confidence is corrected for so many comparisons."""
    return _STANDARD_NORMAL.inv_cdf(1 - (1 - CONFIDENCE) / (2 * comparisons))


def sample_size(margin: float, *, variance_of_one: float, population: int | None = None, z: float = Z_95) -> int:
    """The number of answers needed for an interval of ± ``margin`` points: n = V·z²/m², m as a share of 1.

    ``variance_of_one`` is V as returned by ``adjusted_variance``, at most 1 (half promoters, half detractors), four
    times that of a proportion: sample size tables for proportions are too small for NPS. For a finite ``population`` of
    customers fewer are enough: n / (1 + (n − 1)/N) (W. G. Cochran, "Sampling Techniques", 1977, §4.4).
    """
    if not 0 < margin <= 100:
        raise ValueError(f"margin is {margin}; it must be above 0 and at most 100 points")
    if not 0 <= variance_of_one <= 1:
        raise ValueError(f"variance is {variance_of_one}; it must be from 0 to 1")
    n = variance_of_one * (z / (margin / 100)) ** 2
    if population is not None:
        if population < 1:
            raise ValueError(f"population is {population}; it must be at least 1")
        n = min(float(population), n / (1 + (n - 1) / population)) if n > 1 else n
    return max(1, ceil(n))
