"""A window's score over time."""

from datetime import date

from services.scorer.domain.trends import TrendPoint, trend_of
from shared.nps import Counts, net_promoter_score


def test_each_point_is_the_window_that_ends_there() -> None:
    daily = {date(2026, 3, 1): Counts(promoters=10), date(2026, 3, 5): Counts(detractors=2)}
    ends = [date(2026, 3, 1), date(2026, 3, 7), date(2026, 3, 8)]
    assert trend_of(daily, "7d", ends, minimum=10) == [
        TrendPoint(ends[0], net_promoter_score(Counts(promoters=10)), held_back=False),
        TrendPoint(ends[1], net_promoter_score(Counts(promoters=10, detractors=2)), held_back=False),
        TrendPoint(ends[2], net_promoter_score(Counts(detractors=2)), held_back=True),
    ]
