"""The two charts as shapes for the templates: where each line, band and dot is.

Across, places are shares of the chart's width, so that it fits any screen without a script; down, they are pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor

from services.scorer.domain.comparisons import Compared
from services.scorer.domain.trends import TrendPoint
from services.scorer.web.words import points

ENDS_DRAWN = 10
"""Of a long list, so many values at each end."""

HEIGHT = 280
"""Pixels of the trend's height, without the days below it."""
ACROSS = 1_000
"""The width of the trend's lines in units of their own, which are stretched to the chart's width."""
ROW = 30
"""Pixels of a segment's height."""

_MARGIN = 5
"""NPS points above the highest and below the lowest."""
_FARTHEST = 104
_STEPS = (1, 2, 5, 10, 20, 25, 50)
_MOST_TICKS = 8
# In percent of a phone's chart: from one label to the next.
_ROOM = 30
_ROOM_WITH_YEAR = 50


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis. ``few`` are enough where there is little room."""

    at: float
    label: str
    few: bool

    @property
    def anchor(self) -> str:
        """Where the label of a tick across goes, so that it stays within the chart."""
        return "start" if self.at < 6 else "end" if self.at > 94 else "middle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A point between two without answers: ``x`` in percent, the others in pixels from the top."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendChart:
    """``line`` and ``bands`` are paths of ``ACROSS`` by ``HEIGHT``. ``start`` and ``end`` are where the first and the
    last point are, in percent; ``bottom`` and ``top`` are the NPS at the chart's lower and upper edge."""

    line: str
    bands: str
    alone: Sequence[Alone]
    scores: Sequence[Tick]
    days: Sequence[Tick]
    start: float
    end: float
    bottom: float
    top: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A segment; ``x``, ``low`` and ``high`` in percent, ``y`` in pixels."""

    one: Compared
    y: int
    x: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentsChart:
    """``overall`` is where the NPS of all segments together is, in percent; None if there is none, or it is outside."""

    rows: Sequence[Row]
    scores: Sequence[Tick]
    overall: float | None
    height: int


def worth_drawing(trend: Sequence[TrendPoint]) -> Sequence[TrendPoint]:
    """Omits the beginning with too few answers: its wide intervals would flatten everything after it."""
    enough = [index for index, point in enumerate(trend) if not point.held_back]
    answered = [index for index, point in enumerate(trend) if point.score.nps is not None]
    return trend[(enough or answered or [0])[0] :]


def trend_chart(trend: Sequence[TrendPoint]) -> TrendChart:
    """The line of a trend with its interval as a band; ``trend`` has at least one point. Nothing is drawn across days
    without answers: nothing is known of them."""
    bottom, top = _span([(point.score.low, point.score.high) for point in trend if point.score.nps is not None])
    first, last = _room(trend[0].day, trend[-1].day)
    lines, bands, alone = [], [], []

    def x(point: TrendPoint) -> float:
        return (point.day - first).days / (last - first).days

    def y(score: float) -> float:
        return round(HEIGHT * (top - score) / (top - bottom), 1)

    for run in _runs(trend):
        places = [(x(point) * ACROSS, y(point.score.nps or 0.0)) for point in run]
        lows = [y(point.score.low) for point in run]
        highs = [y(point.score.high) for point in run]
        if len(run) == 1:
            alone.append(Alone(x=_percent(x(run[0])), y=places[0][1], low=lows[0], high=highs[0]))
            continue
        lines.append(_path(places))
        there = [(place, high) for (place, _), high in zip(places, highs, strict=True)]
        back = [(place, low) for (place, _), low in zip(places, lows, strict=True)]
        bands.append(_path([*there, *reversed(back)]) + "Z")
    return TrendChart(
        line="".join(lines),
        bands="".join(bands),
        alone=alone,
        scores=[Tick(y(score), points(score), few=True) for score in _scores(bottom, top)],
        days=_days(trend[0].day, trend[-1].day, first, last),
        start=_percent(x(trend[0])),
        end=_percent(x(trend[-1])),
        bottom=bottom,
        top=top,
    )


def segments_chart(drawn: Sequence[Compared], overall: float | None) -> SegmentsChart:
    """A dot with an interval line for each of ``drawn``, at least one; ``overall`` is the NPS of all together."""
    left, right = _span([(one.score.low, one.score.high) for one in drawn])

    def x(score: float) -> float:
        return _percent((score - left) / (right - left))

    ticks = list(_scores(left, right))
    every = ceil(len(ticks) / 5)
    return SegmentsChart(
        rows=[
            Row(
                one=one,
                y=ROW * number + ROW // 2,
                x=x(one.score.nps or 0.0),
                low=x(one.score.low),
                high=x(one.score.high),
            )
            for number, one in enumerate(drawn)
        ],
        scores=[Tick(x(score), points(score), few=number % every == 0) for number, score in enumerate(ticks)],
        overall=x(overall) if overall is not None and left <= overall <= right else None,
        height=ROW * len(drawn),
    )


def _span(intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The lowest and the highest NPS to draw."""
    if not intervals:
        return -100.0, 100.0
    low, high = min(low for low, _ in intervals), max(high for _, high in intervals)
    return max(-_FARTHEST, low - _MARGIN), min(_FARTHEST, high + _MARGIN)


def _scores(bottom: float, top: float) -> Iterator[int]:
    """Round numbers from ``bottom`` to ``top``, at most eight, none beyond what an NPS can be."""
    step = next((step for step in _STEPS if (top - bottom) / step < 8), _STEPS[-1])
    for number in range(ceil(bottom / step), floor(top / step) + 1):
        if -100 <= number * step <= 100:
            yield number * step


def _room(first: date, last: date) -> tuple[date, date]:
    """A day's room on both sides of a few days, and of a single one."""
    few = (last - first).days < 14
    return (first - timedelta(days=1), last + timedelta(days=1)) if few else (first, last)


def _days(first: date, last: date, left: date, right: date) -> list[Tick]:
    """Labelled days: whole days if there are a few, else Mondays, or the beginnings or middles of months."""
    length = (last - first).days
    ticks: list[Tick] = []
    year, free_from = None, 0.0
    for day in _labelled(first, last):
        at = _percent((day - left).days / (right - left).days)
        with_year = length < 14 or day.year != year
        few = at >= free_from
        if few:
            free_from = at + (_ROOM_WITH_YEAR if with_year else _ROOM)
        ticks.append(Tick(at, f"{day.day} {day:%b}{f' {day.year}' if with_year else ''}", few=few))
        year = day.year
    return ticks


def _labelled(first: date, last: date) -> Iterator[date]:
    length = (last - first).days
    days = (first + timedelta(days=number) for number in range(length + 1))
    if length < 14:
        every = ceil((length + 1) / _MOST_TICKS)
        return (day for day in days if (day - first).days % every == 0)
    if length < 7 * _MOST_TICKS:
        return (day for day in days if day.weekday() == 0)
    if length < 15 * _MOST_TICKS:
        return (day for day in days if day.day in (1, 15))
    months = next((months for months in (1, 2, 3, 6) if length / 30 / months <= _MOST_TICKS), 12)
    return (day for day in days if day.day == 1 and (day.month - 1) % months == 0)


def _runs(trend: Sequence[TrendPoint]) -> Iterator[list[TrendPoint]]:
    """The points between those without answers."""
    run: list[TrendPoint] = []
    for point in trend:
        if point.score.nps is not None:
            run.append(point)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _percent(share: float) -> float:
    return round(100 * share, 2)


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.0f},{y:.1f}" for x, y in places)
