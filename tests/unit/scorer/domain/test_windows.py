"""Days and windows: the shop's own days, (end − N, end], and scores that fall out of them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scorer.domain.windows import (
    SPANS,
    dates_that_moved,
    day_of,
    days_before,
    days_that_moved,
    ends_of,
    rolling,
    window_days,
)
from shared.contracts.scores import WINDOWS, Window
from shared.nps import Counts

END = date(2026, 3, 31)
DAYS = st.dates(date(2024, 1, 1), date(2027, 12, 31))
SOME = st.integers(0, 9)
COUNTS = st.builds(Counts, promoters=SOME, passives=SOME, detractors=SOME)


def test_a_window_of_seven_days_has_seven_days() -> None:
    days = window_days("7d", END)
    inside = [day for back in range(20) if days.after < (day := END - timedelta(days=back)) <= days.end]
    assert len(inside) == 7
    assert max(inside) == END


def test_the_window_before_ends_where_this_one_begins() -> None:
    before = days_before("30d", END)
    assert before is not None
    assert before.end == window_days("30d", END).after
    assert before.end - before.after == timedelta(days=30)
    assert days_before("all", END) is None


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [
        ("America/Sao_Paulo", datetime(2026, 3, 1, 3, tzinfo=UTC)),
        ("Asia/Seoul", datetime(2026, 2, 28, 15, tzinfo=UTC)),
        ("Europe/Oslo", datetime(2026, 2, 28, 23, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_midnight_in_the_shops_zone(zone: str, midnight: datetime) -> None:
    assert day_of(midnight, ZoneInfo(zone)) == date(2026, 3, 1)
    assert day_of(midnight - timedelta(microseconds=1), ZoneInfo(zone)) == date(2026, 2, 28)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)),
    st.sampled_from(
        ["UTC", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "Africa/Monrovia"]
    ).map(ZoneInfo),
    st.sampled_from([0, 14, 15, 30, 44, 45]),
)
def test_the_day_of_a_moment_is_that_of_the_local_time(moment: datetime, zone: ZoneInfo, minute: int) -> None:
    """Midnight may be at any quarter of an hour of UTC; in Liberia, until 1972, it was at 44:30 past the hour."""
    for one in (moment, moment.replace(minute=minute), moment.replace(minute=minute, second=30, microsecond=0)):
        for shifted in (one, one - timedelta(microseconds=1)):
            assert day_of(shifted, zone) == shifted.astimezone(zone).date()
            assert day_of(shifted.astimezone(zone), zone) == shifted.astimezone(zone).date()


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_days_of_23_and_25_hours_are_days(day: date, hours: int) -> None:
    zone = ZoneInfo("Europe/Oslo")
    begin = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    assert {day_of(begin + timedelta(hours=hour), zone) for hour in range(hours)} == {day}
    assert day_of(begin + timedelta(hours=hours), zone) == day + timedelta(days=1)


@given(st.dictionaries(DAYS, COUNTS, max_size=30), DAYS, st.sampled_from(WINDOWS))
def test_rolling_is_the_sum_over_each_window(daily: dict[date, Counts], end: date, window: Window) -> None:
    ends = ends_of(end, step_days=7, points=12)
    for point, at in zip(rolling(daily, window, ends), ends, strict=True):
        span = window_days(window, at)
        inside = [counts for day, counts in daily.items() if span.after < day <= span.end]
        assert (point.day, point.counts) == (at, sum(inside, Counts()))


@given(DAYS, st.integers(1, 400), DAYS)
def test_a_day_that_no_span_names_counts_the_same_before_and_after(end: date, passed: int, day: date) -> None:
    later = end + timedelta(days=passed)

    def inside(last: date) -> list[bool]:
        spans = [window_days(window, last) for window in WINDOWS]
        spans += [span for window in WINDOWS if (span := days_before(window, last)) is not None]
        return [span.after < day <= span.end for span in spans]

    if not any(span.after < day <= span.end for span in days_that_moved(end, later)):
        assert inside(end) == inside(later)


@given(DAYS, st.integers(-40, 40), st.integers(0, 800))
def test_spans_by_age_are_the_windows_and_those_before(end: date, passed: int, age: int) -> None:
    day = end - timedelta(days=age)
    for span in SPANS:
        days = days_before(span.window, end) if span.before else window_days(span.window, end)
        assert days is not None
        assert (span.first <= age and (span.end is None or age < span.end)) == (days.after < day <= days.end)
    later = end + timedelta(days=passed)
    assert (day in dates_that_moved(end, later)) == any(
        span.after < day <= span.end for span in days_that_moved(end, later)
    )
