"""What the charts draw, and where."""

import re
from datetime import date, timedelta

from services.scorer.domain.comparisons import Compared
from services.scorer.domain.trends import TrendPoint
from services.scorer.web.charts import ACROSS, HEIGHT, ROW, segments_chart, trend_chart, worth_drawing
from shared.nps import Counts, net_promoter_score

FIRST = date(2026, 3, 1)


def point(day: int, answers: int, *, detractors: int = 0) -> TrendPoint:
    counts = Counts(promoters=answers - detractors, detractors=detractors)
    return TrendPoint(FIRST + timedelta(days=day), net_promoter_score(counts), held_back=answers < 10)


def one(value: str, counts: Counts, *, differs: bool | None = False) -> Compared:
    return Compared(
        segment=f"region:{value}", value=value, score=net_promoter_score(counts), held_back=False, differs=differs
    )


def test_a_trend_begins_where_there_are_enough_answers_or_any_at_all() -> None:
    assert worth_drawing([point(1, 0), point(2, 3), point(3, 10), point(4, 3)]) == [point(3, 10), point(4, 3)]
    assert worth_drawing([point(1, 0), point(2, 3)]) == [point(2, 3)]
    assert worth_drawing([point(1, 0), point(2, 0)]) == [point(1, 0), point(2, 0)]


def test_a_line_goes_from_the_first_day_to_the_last_and_its_band_around_it() -> None:
    chart = trend_chart([point(day, 40, detractors=day) for day in range(31)])
    places = [tuple(map(float, place.split(","))) for place in chart.line[1:].split("L")]
    assert (places[0][0], places[-1][0]) == (0, ACROSS)
    assert [y for _, y in places] == sorted(y for _, y in places), "it falls, so it goes down"
    band = [tuple(map(float, place.split(","))) for place in chart.bands[1:-1].split("L")]
    highs, lows = band[:31], band[:30:-1]
    assert all(high[1] <= at[1] <= low[1] for high, at, low in zip(highs, places, lows, strict=True))
    assert all(0 <= y <= HEIGHT for _, y in band)
    assert (chart.start, chart.end, chart.alone) == (0, 100, [])


def test_days_without_answers_leave_a_gap_in_the_line_and_its_band() -> None:
    chart = trend_chart([point(day, 0 if day in (10, 11, 20, 22) else 20) for day in range(31)])
    for path in (chart.line, chart.bands):
        pieces = [re.findall(r"(\d+),", piece) for piece in path.split("M")[1:]]
        assert [(min(map(int, piece)), max(map(int, piece))) for piece in pieces] == [
            (0, 300), (400, 633), (767, 1000),
        ]  # fmt: skip
    (between,) = chart.alone
    assert between.x == 70 and between.high <= between.y < between.low


def test_a_trend_without_any_answer_draws_an_empty_chart() -> None:
    chart = trend_chart([point(day, 0) for day in range(90)])
    assert (chart.line, chart.bands, chart.alone) == ("", "", [])
    assert [tick.label for tick in chart.scores] == ["−100", "−50", "0", "50", "100"]


def test_the_days_are_labelled_few_enough_to_read_and_the_year_where_it_changes() -> None:
    def labels(days: int) -> list[str]:
        return [tick.label for tick in trend_chart([point(day, 20) for day in range(days)]).days]

    assert labels(1) == ["1 Mar 2026"]
    assert labels(4) == ["1 Mar 2026", "2 Mar 2026", "3 Mar 2026", "4 Mar 2026"]
    assert labels(31) == ["2 Mar 2026", "9 Mar", "16 Mar", "23 Mar", "30 Mar"]
    assert labels(90) == ["1 Mar 2026", "15 Mar", "1 Apr", "15 Apr", "1 May", "15 May"]
    assert labels(400) == ["1 Mar 2026", "1 May", "1 Jul", "1 Sep", "1 Nov", "1 Jan 2027", "1 Mar"]
    for days in range(1, 1_500, 7):
        chart = trend_chart([point(day, 20) for day in range(days)])
        assert 1 <= len(chart.days) <= 9
        assert 1 <= sum(tick.few for tick in chart.days) <= 3
        assert all(0 <= tick.at <= 100 for tick in chart.days)


def test_a_few_days_have_room_on_both_sides() -> None:
    chart = trend_chart([point(0, 20)])
    assert (chart.start, chart.end) == (50, 50)
    assert [alone.x for alone in chart.alone] == [50]
    chart = trend_chart([point(0, 20), point(1, 20), point(2, 20)])
    assert (chart.start, chart.end) == (25, 75)


def test_segments_have_their_dot_on_their_interval_and_the_overall_score_across() -> None:
    drawn = [one("NO", Counts(promoters=90, detractors=10)), one("BR", Counts(promoters=50, detractors=50))]
    chart = segments_chart(drawn, 30.0)
    assert chart.height == 2 * ROW
    assert [row.y for row in chart.rows] == [15, 45]
    for row in chart.rows:
        assert 0 <= row.low < row.x < row.high <= 100
    assert chart.overall is not None and chart.rows[1].x < chart.overall < chart.rows[0].x
    assert segments_chart(drawn, None).overall is None
    assert segments_chart(drawn, -90.0).overall is None
