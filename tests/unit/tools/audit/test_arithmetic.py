"""The audit's arithmetic is the product's formula written a second time, and would notice a mistake in it."""

from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from shared import nps
from tools.audit.arithmetic import Counts, difference, figures, group_of

few = st.integers(0, 40)
many = st.integers(0, 10**9)
counted = st.builds(
    Counts, promoters=st.one_of(few, many), passives=st.one_of(few, many), detractors=st.one_of(few, many)
)


def of_product(counts: Counts) -> nps.Counts:
    return nps.Counts(promoters=counts.promoters, passives=counts.passives, detractors=counts.detractors)


@given(counted)
def test_both_say_the_same_of_any_answers(counts: Counts) -> None:
    theirs, ours = nps.net_promoter_score(of_product(counts)), figures(counts)
    assert (theirs.nps is None) == (ours.nps is None)
    for one, other in ((theirs.nps or 0, ours.nps or 0), (theirs.low, ours.low), (theirs.high, ours.high)):
        assert isclose(one, other, abs_tol=1e-6)


@given(counted, counted)
def test_both_say_the_same_of_any_change(now: Counts, before: Counts) -> None:
    theirs, ours = nps.change(of_product(now), before=of_product(before)), difference(now, before)
    assert (theirs is None) == (ours is None)
    if theirs is not None and ours is not None:
        assert isclose(theirs.points, ours[0], abs_tol=1e-6)
        # At the very edge, rounding may fall either way.
        at_the_edge = isclose(theirs.p_value, 0.05, rel_tol=1e-6)
        assert theirs.significant == ours[1] or at_the_edge


def test_published_check_values() -> None:
    """An interval that holds its own score, and two differences reckoned by hand."""
    one = figures(Counts(promoters=1))
    assert one.nps == one.high == 100 and isclose(one.low, -48.5, abs_tol=0.05)
    changed = difference(
        Counts(promoters=240, passives=83, detractors=184), Counts(promoters=110, passives=50, detractors=99)
    )
    assert changed is not None and isclose(changed[0], 6.7983, abs_tol=0.0001) and not changed[1]
    small = difference(Counts(promoters=20, detractors=10), Counts(promoters=12, detractors=18))
    assert small is not None and small[1], "its interval, 2.91 to 94.06, does not contain 0"


def test_groups() -> None:
    assert [group_of(score) for score in (0, 6, 7, 8, 9, 10)] == [nps.group_of(score) for score in (0, 6, 7, 8, 9, 10)]
