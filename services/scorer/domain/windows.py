"""Windows of days: (end − N, end], in the shop's time zone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.contracts.scores import WINDOW_DAYS, WINDOWS, Window
from shared.nps import Counts

EARLIEST = date(1900, 1, 1)
"""Before any answer: the start of the all-time window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The days after ``after`` up to and including ``end``."""

    after: date
    end: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The days of a window, or of the preceding one, by their age at the window's end: from ``first`` up to, but not
    including, ``end``; without an end if that is None."""

    window: Window
    before: bool
    first: int
    end: int | None


SPANS: tuple[Span, ...] = (
    *(Span(window=window, before=False, first=0, end=WINDOW_DAYS[window]) for window in WINDOWS),
    *(
        Span(window=window, before=True, first=length, end=2 * length)
        for window in WINDOWS
        if (length := WINDOW_DAYS[window]) is not None
    ),
)
"""Every window, then every preceding window."""


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The day ``moment`` falls on in the shop's time zone. Days of 23 or 25 hours count as one."""
    if moment.tzinfo is not UTC:
        return moment.astimezone(zone).date()
    return _day_of_hour(24 * moment.toordinal() + moment.hour, zone) or moment.astimezone(zone).date()


# A year has 8,760 hours; to look one up takes half as long as to convert a moment.
@lru_cache(maxsize=20_000)
def _day_of_hour(hour: int, zone: ZoneInfo) -> date | None:
    """The day of the whole hour, counted in UTC from the year 1 on; None if a day begins in the midst of it."""
    begin = datetime.fromordinal(hour // 24).replace(hour=hour % 24, tzinfo=UTC)
    first, last = (moment.astimezone(zone).date() for moment in (begin, begin + timedelta(hours=1, microseconds=-1)))
    return first if first == last else None


def last_day_to_publish(today: date, *, published: date | None) -> date:
    """The last day of the windows to publish, if those up to day ``published`` already were.

    A day that has begun for one process has begun for all: their clocks are never quite the same, and around midnight
    they would otherwise publish every score in turn. A clock that is more than a day ahead is wrong, and not followed.
    """
    if published is not None and published - today == timedelta(days=1):
        return published
    return today


def window_days(window: Window, end: date) -> Days:
    """The days of the ``window`` that ends on ``end``."""
    length = WINDOW_DAYS[window]
    return Days(after=EARLIEST if length is None else end - timedelta(days=length), end=end)


def days_before(window: Window, end: date) -> Days | None:
    """The preceding window of the same length; None for all time."""
    length = WINDOW_DAYS[window]
    if length is None:
        return None
    last = end - timedelta(days=length)
    return Days(after=last - timedelta(days=length), end=last)


def days_that_moved(previous_end: date, end: date) -> list[Days]:
    """The days that enter or leave any window, or any preceding window, when the last day changes from
    ``previous_end`` to ``end``.

    Only counts on these days change scores without a new answer.
    """
    earlier, later = sorted((previous_end, end))
    moved = [Days(after=earlier, end=later)]
    for window in WINDOWS:
        length = WINDOW_DAYS[window]
        if length is not None:
            for lengths in (1, 2):
                back = timedelta(days=lengths * length)
                moved.append(Days(after=earlier - back, end=later - back))
    return moved


def dates_that_moved(previous_end: date, end: date) -> list[date]:
    """The days of ``days_that_moved``, one by one."""
    moved = {
        span.after + timedelta(days=number)
        for span in days_that_moved(previous_end, end)
        for number in range(1, (span.end - span.after).days + 1)
    }
    return sorted(moved)


@dataclass(frozen=True, slots=True)
class Point:
    """The counts of the window that ends on ``day``."""

    day: date
    counts: Counts


def rolling(daily: Mapping[date, Counts], window: Window, ends: Sequence[date]) -> list[Point]:
    """The window's counts at each of ``ends``, which are ascending. ``daily`` has their days with answers."""
    points: list[Point] = []
    days = sorted(daily)
    # Plain numbers: years of days as Counts, each added and taken away again, would take most of a page's time.
    promoters = passives = detractors = 0
    entering = leaving = 0
    for end in ends:
        first_out = window_days(window, end).after
        while entering < len(days) and days[entering] <= end:
            counts = daily[days[entering]]
            promoters += counts.promoters
            passives += counts.passives
            detractors += counts.detractors
            entering += 1
        while leaving < entering and days[leaving] <= first_out:
            counts = daily[days[leaving]]
            promoters -= counts.promoters
            passives -= counts.passives
            detractors -= counts.detractors
            leaving += 1
        points.append(Point(end, Counts(promoters=promoters, passives=passives, detractors=detractors)))
    return points


def ends_of(end: date, *, step_days: int, points: int) -> list[date]:
    """``points`` last days of windows, ``step_days`` apart, up to ``end``, oldest first."""
    return [end - timedelta(days=step_days * back) for back in reversed(range(points))]
