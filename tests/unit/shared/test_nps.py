"""The formula: against values worked out by hand, and what must hold for any counts."""

from math import comb, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.nps import Counts, adjusted_variance, change, differs, group_of, net_promoter_score, sample_size, variance


def counts_up_to(most: int) -> st.SearchStrategy[Counts]:
    number = st.integers(0, most)
    return st.builds(Counts, promoters=number, passives=number, detractors=number)


COUNTS = counts_up_to(10_000)


def test_groups() -> None:
    assert [group_of(score) for score in range(11)] == ["detractor"] * 7 + ["passive"] * 2 + ["promoter"] * 2
    for outside in (-1, 11):
        with pytest.raises(ValueError, match="from 0 to 10"):
            group_of(outside)


def test_nobody_has_no_score_and_the_widest_interval() -> None:
    score = net_promoter_score(Counts())
    assert (score.nps, score.low, score.high) == (None, -100, 100)


Z = 1.959963984540054


def from_first_principles(counts: Counts) -> tuple[float, float]:
    """The mean of all answers with ¾, 1½ and ¾ more, each worth 1, 0 or −1, and the variance of that mean."""
    values = [1.0] * counts.promoters + [0.0] * counts.passives + [-1.0] * counts.detractors + [1.0, 0.0, -1.0]
    weights = [1.0] * counts.n + [0.75, 1.5, 0.75]
    total = sum(weights)
    mean = sum(value * weight for value, weight in zip(values, weights, strict=True)) / total
    spread = sum(weight * (value - mean) ** 2 for value, weight in zip(values, weights, strict=True)) / total
    return mean, spread / total


def test_the_interval_from_first_principles() -> None:
    mean, spread = from_first_principles(Counts(promoters=60, passives=25, detractors=15))
    margin = Z * sqrt(spread)
    score = net_promoter_score(Counts(promoters=60, passives=25, detractors=15))
    assert score.nps == pytest.approx(45)
    assert score.low == pytest.approx(100 * (mean - margin))
    assert score.high == pytest.approx(100 * (mean + margin))
    assert score.margin == pytest.approx(100 * margin)


def test_one_answer_is_far_from_certain() -> None:
    score = net_promoter_score(Counts(promoters=1))
    assert score.nps == 100
    assert score.low < 0
    assert score.high <= 100


@given(COUNTS)
def test_bounds_and_symmetry(counts: Counts) -> None:
    score = net_promoter_score(counts)
    centre = 100 * (counts.promoters - counts.detractors) / (counts.n + 3)
    assert -100 <= score.low <= centre <= score.high <= 100
    mirrored = net_promoter_score(
        Counts(promoters=counts.detractors, passives=counts.passives, detractors=counts.promoters)
    )
    assert mirrored.low == pytest.approx(-score.high)
    assert mirrored.nps == (None if score.nps is None else pytest.approx(-score.nps))


@given(COUNTS.filter(lambda counts: counts.n > 0))
def test_an_interval_contains_its_own_score(counts: Counts) -> None:
    score = net_promoter_score(counts)
    assert score.nps is not None
    assert score.low <= score.nps <= score.high


def test_an_interval_is_lopsided_where_it_is_clipped_or_pulled_towards_zero() -> None:
    ten_promoters = net_promoter_score(Counts(promoters=10))
    assert (ten_promoters.nps, ten_promoters.high) == (100, 100)
    assert ten_promoters.low == pytest.approx(47.5, abs=0.05)
    assert ten_promoters.lopsided
    one_promoter = net_promoter_score(Counts(promoters=1))
    assert one_promoter.low == pytest.approx(-48.5, abs=0.05)
    assert one_promoter.high == 100
    assert not net_promoter_score(Counts(promoters=5, detractors=5)).lopsided
    assert not net_promoter_score(Counts(promoters=600, passives=250, detractors=150)).lopsided
    assert not net_promoter_score(Counts()).lopsided


@given(COUNTS)
def test_more_answers_of_the_same_kind_make_it_no_less_certain(counts: Counts) -> None:
    more = Counts(promoters=10 * counts.promoters, passives=10 * counts.passives, detractors=10 * counts.detractors)
    if counts.n:
        assert net_promoter_score(more).margin <= net_promoter_score(counts).margin + 1e-9


@given(COUNTS, COUNTS)
def test_counts_add_and_subtract(one: Counts, other: Counts) -> None:
    assert (one + other) - other == one
    assert (one + other).n == one.n + other.n


SOME = counts_up_to(60).filter(lambda counts: counts.n > 0)


def adjusted_difference(now: Counts, before: Counts) -> tuple[float, float]:
    """The difference of the adjusted scores, and its standard error, in points."""
    (one, its_variance), (other, other_variance) = from_first_principles(now), from_first_principles(before)
    return 100 * (one - other), 100 * sqrt(its_variance + other_variance)


@given(SOME, SOME)
def test_a_change_from_first_principles(now: Counts, before: Counts) -> None:
    points = 100 * ((now.promoters - now.detractors) / now.n - (before.promoters - before.detractors) / before.n)
    middle, error = adjusted_difference(now, before)
    found = change(now, before=before)
    assert found is not None
    assert found.points == pytest.approx(points)
    assert found.low == pytest.approx(max(-200, min(points, middle - Z * error)))
    assert found.high == pytest.approx(min(200, max(points, middle + Z * error)))
    if abs(middle) != pytest.approx(Z * error):
        assert found.significant == (abs(middle) > Z * error) == (found.p_value < 0.05)
    if found.significant:
        assert points * middle > 0, "what is shown and what was tested must point the same way"


def test_a_change_is_tested_by_the_adjusted_shares() -> None:
    """Check values computed by hand, with the tables of the normal distribution."""
    found = change(
        Counts(promoters=240, passives=83, detractors=184), before=Counts(promoters=110, passives=50, detractors=99)
    )
    assert found is not None
    assert found.points == pytest.approx(6.7983, abs=0.00005)
    assert found.p_value == pytest.approx(0.321102, abs=0.0000005)  # 0.323128 by the plain Wald test
    small = change(Counts(promoters=20, detractors=10), before=Counts(promoters=12, detractors=18))
    assert small is not None
    assert small.low == pytest.approx(2.91, abs=0.005)
    assert small.high == pytest.approx(94.06, abs=0.005)


def every_outcome(answers: int, promoters: float, detractors: float) -> list[tuple[Counts, float]]:
    """Each possible result of so many answers, with its probability (the multinomial distribution)."""
    return [
        (
            Counts(promoters=p, passives=answers - p - d, detractors=d),
            comb(answers, p) * comb(answers - p, d)
            * promoters**p * detractors**d * (1 - promoters - detractors) ** (answers - p - d),
        )
        for p in range(answers + 1)
        for d in range(answers - p + 1)
    ]  # fmt: skip


@pytest.mark.parametrize(("comparisons", "at_most"), [(1, 0.06), (20, 0.08 / 20)])
def test_chance_is_called_significant_no_more_often_than_stated(comparisons: int, at_most: float) -> None:
    """By exact enumeration: two groups of ten from one population of 40 % promoters and 40 % detractors. Far out in the
    tails, the normal approximation is a little generous: of twenty such comparisons 8 % show a false alarm, not 5 %."""
    outcomes = every_outcome(10, 0.4, 0.4)
    false_alarms = sum(
        probability * other_probability
        for one, probability in outcomes
        for other, other_probability in outcomes
        if (found := change(one, before=other, comparisons=comparisons)) is not None and found.significant
    )
    assert 0 < false_alarms <= at_most


@given(COUNTS, COUNTS, st.integers(1, 1_000))
def test_scores_differ_if_their_change_is_significant(one: Counts, other: Counts, comparisons: int) -> None:
    found = change(one, before=other, comparisons=comparisons)
    expected = None if found is None else found.significant
    assert differs(one, other, comparisons=comparisons) is expected


def test_a_change_is_real_only_beyond_chance() -> None:
    before, now = (
        Counts(promoters=400, passives=300, detractors=300),
        Counts(promoters=500, passives=300, detractors=200),
    )
    difference = change(now, before=before)
    assert difference is not None
    assert difference.points == pytest.approx(20)
    assert difference.significant
    few = change(Counts(promoters=5, passives=3, detractors=2), before=Counts(promoters=4, passives=3, detractors=3))
    assert few is not None
    assert not few.significant
    assert change(now, before=Counts()) is None


def test_many_comparisons_ask_for_more() -> None:
    before, now = (
        Counts(promoters=430, passives=300, detractors=270),
        Counts(promoters=470, passives=300, detractors=230),
    )
    alone, among_many = change(now, before=before), change(now, before=before, comparisons=50)
    assert alone is not None
    assert among_many is not None
    assert alone.significant
    assert not among_many.significant
    assert among_many.low < alone.low < alone.high < among_many.high


def test_sample_size_for_half_promoters_and_half_detractors() -> None:
    # ±5 points at V = 1: (1.96 / 0.05)² = 1536.6; the tables for proportions would say 385.
    assert sample_size(5, variance_of_one=1.0) == 1537
    # Among 2,000 customers: 1536.6 / (1 + 1535.6 / 2000) = 869.2.
    assert sample_size(5, variance_of_one=1.0, population=2_000) == 870


def test_ten_promoters_of_ten_are_not_certain() -> None:
    # Adjusted shares 10.75/13 and 0.75/13: V = 0.8846 − 0.7692² = 0.2929; 0.2929 · 1536.6 = 450.1.
    assert sample_size(5, variance_of_one=adjusted_variance(Counts(promoters=10))) == 451


@given(st.floats(0.5, 100), st.floats(0, 1), st.one_of(st.none(), st.integers(1, 10**7)))
def test_sample_size_is_at_least_one_and_at_most_everybody(margin: float, v: float, population: int | None) -> None:
    n = sample_size(margin, variance_of_one=v, population=population)
    assert n >= 1
    if population is not None:
        assert n <= population
    assert sample_size(margin, variance_of_one=v) >= n


@pytest.mark.parametrize(("margin", "v", "population"), [(0, 0.5, None), (101, 0.5, None), (5, 1.1, None), (5, 0.5, 0)])
def test_sample_size_refuses_nonsense(margin: float, v: float, population: int | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        sample_size(margin, variance_of_one=v, population=population)


def test_variance() -> None:
    assert variance(0.5, 0.5) == 1
    assert variance(1, 0) == 0
    assert variance(0.6, 0.15) == pytest.approx(0.75 - 0.45**2)
