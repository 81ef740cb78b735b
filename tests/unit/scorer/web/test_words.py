"""Words of the dashboard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scorer.domain.scores import Sums, WindowScore, window_score
from services.scorer.web import words
from shared.nps import Counts, net_promoter_score


@pytest.mark.parametrize("comment", ["", "Short.", "x" * words.COMMENT_SHOWN])
def test_a_comment_of_usual_length_is_shown_whole(comment: str) -> None:
    assert words.beginning(comment) == comment


def test_a_long_comment_is_cut_between_words_where_it_has_some() -> None:
    assert words.beginning("again and again " * 50).rstrip("…").split()[-1] in ("again", "and")
    assert words.beginning("x" * 5_000) == "x" * (words.COMMENT_SHOWN - 50) + "…"
    assert words.beginning("Hm: " + "x" * 5_000).startswith("Hm: xxx")


def scored(now: Counts, before: Counts | None) -> WindowScore:
    return window_score(
        Sums(now, delivered=0, answered=0),
        before=None if before is None else Sums(before, delivered=0, answered=0),
        minimum=10,
    )


def test_a_change_is_said_with_its_size_and_whether_it_is_significant() -> None:
    up = scored(Counts(promoters=90, detractors=10), Counts(promoters=10, detractors=90))
    assert words.change_sentence(up, "7d") == "Up 160 points from the previous 7 days: a significant change."
    slight = scored(Counts(promoters=50, detractors=50), Counts(promoters=51, detractors=50))
    assert words.change_sentence(slight, "7d") == "Down 1 point from the previous 7 days: could be chance."
    halves = Counts(promoters=1, passives=199), Counts(promoters=5, passives=195)
    assert words.change_sentence(scored(halves[0], Counts(passives=200)), "7d").startswith("Up 1 point ")
    assert words.change_sentence(scored(Counts(passives=200), halves[1]), "7d").startswith("Down 3 points ")
    same = scored(Counts(promoters=50, detractors=50), Counts(promoters=50, detractors=50))
    assert words.change_sentence(same, "30d") == "Practically unchanged from the previous 30 days."


def test_a_margin_is_shown_only_where_the_interval_is_even() -> None:
    even = net_promoter_score(Counts(promoters=600, passives=250, detractors=150))
    assert (words.points(even.nps), words.margin(even)) == ("45", "±5")
    assert words.margin(net_promoter_score(Counts(promoters=10))) == "48 to 100"
    assert words.margin(net_promoter_score(Counts(detractors=10))) == "−100 to −48"


def test_halves_are_rounded_away_from_zero_everywhere() -> None:
    assert [words.points(value) for value in (0.5, 1.5, 2.5, -0.5, -2.5, -0.4)] == ["1", "2", "3", "−1", "−3", "0"]
    assert words.response_sentence(0.0625, 16) == "6.3% of 16 delivered surveys were answered."
    assert words.response_sentence(1, 1) == "100.0% of 1 delivered survey was answered."


@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=3).filter(any))
def test_percentages_add_up_to_100_and_are_off_by_less_than_one(numbers: list[int]) -> None:
    shares = words.percentages(numbers)
    assert sum(shares) == 100
    assert all(abs(share - 100 * number / sum(numbers)) < 1 for share, number in zip(shares, numbers, strict=True))


def test_equal_remainders_are_settled_from_the_left() -> None:
    assert words.percentages([1, 1, 1]) == [34, 33, 33]
    assert words.percentages([3, 3, 2]) == [38, 37, 25]


def test_where_there_is_nothing_to_compare_with_it_says_so() -> None:
    assert "no earlier period" in words.change_sentence(scored(Counts(promoters=9), None), "all")
    assert "no answers in the previous 7 days" in words.change_sentence(scored(Counts(promoters=9), Counts()), "7d")
    assert words.change_sentence(scored(Counts(), Counts(promoters=9)), "7d") == ""
