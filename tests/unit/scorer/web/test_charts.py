"""What the charts draw."""

from datetime import date

from services.scorer.domain.comparisons import Compared
from services.scorer.domain.trends import TrendPoint
from services.scorer.web.charts import SEGMENTS_DRAWN, best_and_worst, chart_data, worth_drawing
from shared.nps import Counts, net_promoter_score


def compared(best_first: int, held_back: int = 0) -> list[Compared]:
    """So many with answers enough, best first, then so many with too few."""
    few = net_promoter_score(Counts(promoters=1))
    return [
        Compared(
            segment=f"region:{number}",
            value=str(number),
            score=net_promoter_score(Counts(promoters=100 - number, passives=0, detractors=number)),
            held_back=False,
            differs=None,
        )
        for number in range(best_first)
    ] + [
        Compared(segment=f"region:few {number}", value=f"few {number}", score=few, held_back=True, differs=None)
        for number in range(held_back)
    ]


def test_of_a_long_list_the_best_and_the_worst_are_drawn() -> None:
    drawn = [one.value for one in best_and_worst(compared(40, held_back=5))]
    assert drawn == [str(number) for number in (*range(10), *range(30, 40))]


def test_those_with_too_few_answers_are_drawn_where_there_is_room() -> None:
    assert best_and_worst(compared(3, held_back=2)) == compared(3, held_back=2)
    drawn = best_and_worst(compared(18, held_back=9))
    assert len(drawn) == SEGMENTS_DRAWN and [one.held_back for one in drawn[-2:]] == [True, True]


def point(day: int, answers: int) -> TrendPoint:
    return TrendPoint(date(2026, 3, day), net_promoter_score(Counts(promoters=answers)), held_back=answers < 10)


def test_a_trend_begins_where_there_are_enough_answers_or_any_at_all() -> None:
    assert worth_drawing([point(1, 0), point(2, 3), point(3, 10), point(4, 3)]) == [point(3, 10), point(4, 3)]
    assert worth_drawing([point(1, 0), point(2, 3)]) == [point(2, 3)]
    assert worth_drawing([point(1, 0), point(2, 0)]) == [point(1, 0), point(2, 0)]


def test_a_day_without_answers_leaves_a_gap_in_the_line_and_its_interval() -> None:
    (empty,) = chart_data([point(1, 0)], [], None)["trend"]
    assert empty == {"day": "2026-03-01", "nps": None, "low": None, "high": None, "n": 0}
