"""The Net Promoter Score, its confidence interval, and the significance of differences.

0–6 is a detractor, 7–8 a passive, 9–10 a promoter; NPS = 100·(promoters − detractors)/n points, undefined for n = 0
(F. Reichheld, "The One Number You Need to Grow", Harvard Business Review, December 2003).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist
from typing import Literal

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
Z_95 = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


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
        """Half the interval's width in points, shown as "±"."""
        return (self.high - self.low) / 2


def net_promoter_score(counts: Counts, z: float = Z_95) -> NetPromoterScore:
    """The score with its adjusted Wald interval, clipped to ±100.

    Three pseudo-answers are added, ¾ promoter, 1½ passive, ¾ detractor, which keeps the interval's coverage near its
    nominal level in small samples (J. Sauro and J. R. Lewis, after B. Rocks, "Interval Estimation for the Net Promoter
    Score", The American Statistician 70(4), 2016).
    """
    n = counts.n
    if n == 0:
        return NetPromoterScore(nps=None, low=-100.0, high=100.0, counts=counts)
    promoters, detractors, answers = _adjusted(counts)
    centre = promoters - detractors
    spread = z * sqrt(variance(promoters, detractors) / answers)
    return NetPromoterScore(
        nps=100 * (counts.promoters - counts.detractors) / n,
        low=100 * max(-1.0, centre - spread),
        high=100 * min(1.0, centre + spread),
        counts=counts,
    )


def _adjusted(counts: Counts) -> tuple[float, float, int]:
    """Shares of promoters and detractors, and the number of answers, with the three pseudo-answers."""
    answers = counts.n + 3
    return (counts.promoters + 0.75) / answers, (counts.detractors + 0.75) / answers, answers


def variance(promoters: float, detractors: float) -> float:
    """V = p + d − (p − d)² of one answer valued 1, 0 or −1; ``promoters`` and ``detractors`` are shares of 1."""
    return promoters + detractors - (promoters - detractors) ** 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``points`` is the difference of two scores; ``significant`` if it is statistically significant."""

    points: float
    low: float
    high: float
    significant: bool


def change(now: Counts, *, before: Counts, comparisons: int = 1) -> Change | None:
    """The difference of two independent scores and its interval, SE = √(V₁/n₁ + V₂/n₂); None if either has no answers.

    V is computed from the adjusted shares, as in the interval, so that a small unanimous group does not count as
    certain. ``comparisons`` is how many are shown together; the significance level is divided by it (Bonferroni).
    """
    if now.n == 0 or before.n == 0:
        return None
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * max(1, comparisons)))
    error = 0.0
    for counts in (now, before):
        promoters, detractors, answers = _adjusted(counts)
        error += variance(promoters, detractors) / answers
    points = 100 * ((now.promoters - now.detractors) / now.n - (before.promoters - before.detractors) / before.n)
    spread = 100 * z * sqrt(error)
    return Change(
        points=points,
        low=max(-200.0, points - spread),
        high=min(200.0, points + spread),
        significant=abs(points) > spread,
    )


def sample_size(margin: float, *, variance_of_one: float, population: int | None = None, z: float = Z_95) -> int:
    """The number of answers needed for an interval of ± ``margin`` points: n = V·z²/m², m as a share of 1.

    ``variance_of_one`` is V as returned by ``variance``, at most 1 (half promoters, half detractors), four times that
    of a proportion: sample size tables for proportions are too small for NPS. For a finite ``population`` of
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
