"""From counts to a score."""

from datetime import date

import pytest

from services.scorer.domain.scores import NOTHING, Sums, sums_on, window_score
from services.scorer.domain.windows import Days
from shared.nps import Counts, change, net_promoter_score


def test_a_score_comes_with_its_change_and_its_response_rate() -> None:
    current, before = (
        Sums(Counts(promoters=30, passives=10, detractors=5), delivered=40, answered=12),
        Sums(Counts(promoters=5, passives=10, detractors=30), delivered=10, answered=9),
    )
    found = window_score(current, before=before, minimum=10)
    assert found.score == net_promoter_score(current.counts)
    assert found.change == change(current.counts, before=before.counts)
    assert (found.delivered, found.response_rate) == (40, 0.3)


def test_there_is_no_change_without_a_window_before_or_without_answers_in_it() -> None:
    current = Sums(Counts(promoters=30, passives=10, detractors=5), delivered=0, answered=0)
    assert window_score(current, before=None, minimum=10).change is None
    assert window_score(current, before=NOTHING, minimum=10).change is None


@pytest.mark.parametrize(("answers", "held_back"), [(0, True), (9, True), (10, False)])
def test_a_score_of_too_few_answers_is_held_back(answers: int, held_back: bool) -> None:
    assert (
        window_score(Sums(Counts(promoters=answers), delivered=0, answered=0), before=None, minimum=10).held_back
        == held_back
    )


@pytest.mark.parametrize("delivered", [0, None])
def test_there_is_no_response_rate_without_deliveries(delivered: int | None) -> None:
    assert Sums(Counts(promoters=3), delivered=delivered, answered=2).response_rate is None


def test_sums_add_up() -> None:
    assert Sums(Counts(promoters=1, passives=2, detractors=3), delivered=5, answered=4) + Sums(
        Counts(promoters=1, passives=1, detractors=1), delivered=None, answered=1
    ) == Sums(Counts(promoters=2, passives=3, detractors=4), delivered=5, answered=5)


def test_days_add_up_and_deliveries_are_unknown_if_they_are_of_any_day() -> None:
    daily = {
        date(2026, 3, day): Sums(Counts(promoters=day, detractors=1), delivered=delivered, answered=day)
        for day, delivered in ((1, 10), (2, 20), (3, 40), (4, None))
    }
    assert sums_on(daily, Days(after=date(2026, 3, 1), end=date(2026, 3, 3))) == Sums(
        Counts(promoters=5, detractors=2), delivered=60, answered=5
    )
    assert sums_on(daily, Days(after=date(2026, 3, 2), end=date(2026, 3, 4))).delivered is None
    assert sums_on({}, Days(after=date(2026, 3, 1), end=date(2026, 3, 3))) == NOTHING
