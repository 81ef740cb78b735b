"""Moments as text; days in a time zone: when they begin and end, and which days there are."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.moments import end_of, parse_date, parse_moment, start_of

SANTIAGO, NEW_YORK, TOKYO = (ZoneInfo(name) for name in ("America/Santiago", "America/New_York", "Asia/Tokyo"))


@pytest.mark.parametrize(
    ("day", "zone", "end"),
    [
        (date(2026, 11, 1), NEW_YORK, datetime(2026, 11, 2, 4, 59, 59, 999_999, tzinfo=UTC)),
        (date(2026, 3, 8), NEW_YORK, datetime(2026, 3, 9, 3, 59, 59, 999_999, tzinfo=UTC)),
        # In Chile, clocks go back from midnight to 23:00: the last hour of that day comes twice.
        (date(2026, 4, 4), SANTIAGO, datetime(2026, 4, 5, 3, 59, 59, 999_999, tzinfo=UTC)),
        # ... and forward from midnight to 1:00.
        (date(2026, 9, 5), SANTIAGO, datetime(2026, 9, 6, 3, 59, 59, 999_999, tzinfo=UTC)),
        (date(2199, 12, 31), ZoneInfo("UTC"), datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_a_day_ends_where_the_next_one_begins(day: date, zone: ZoneInfo, end: datetime) -> None:
    assert end_of(day, zone) == end


@pytest.mark.parametrize("zone", [NEW_YORK, TOKYO], ids=str)
@pytest.mark.parametrize("day", [date(1969, 12, 31), date(2200, 1, 1), date.min, date.max], ids=str)
def test_days_of_other_centuries_are_refused(day: date, zone: ZoneInfo) -> None:
    for moment_of in (start_of, end_of):
        with pytest.raises(ValueError, match="1970 to 2199"):
            moment_of(day, zone)


@pytest.mark.parametrize("text", ["20261101", "2026-11-1", "2026-11", "tomorrow", ""])
def test_other_texts_are_no_days(text: str) -> None:
    assert parse_date(text) is None


def read(text: str) -> datetime | None:
    try:
        return parse_moment(text)
    except ValueError:
        return None


@given(
    at=st.datetimes(datetime(1969, 12, 31), datetime(2200, 1, 2)),
    precision=st.sampled_from(["seconds", "milliseconds", "microseconds"]),
    ending=st.sampled_from(["Z", "+00:00"]),
    place=st.integers(0, 32),
    put=st.text(st.sampled_from("0129-+:.,TWZ z\u0660"), max_size=4),
    taken=st.integers(0, 4),
)
def test_what_is_read_quickly_is_read_like_everything_else(
    at: datetime, precision: str, ending: str, place: int, put: str, taken: int
) -> None:
    """The second begins with a blank, and is not read quickly."""
    written = at.isoformat(timespec=precision) + ending
    for text in (written, written[:place] + put + written[place + taken :]):
        assert read(text) == read(" " + text)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-01-27T15:33:20.Z", "2026-01-27T15:33:20.+00:00", "2026-01-27T15:33:20.123456W9Z"),
        *("2026-01-27T15:33:20.12 +00:00", "2026-W01-1T09:30:00Z", "2026-01-27T153320.1234567Z"),
        *("2026-01-27T15:33:2\u0660Z", "2026-02-31T15:33:20Z", "2026-01-27T25:33:20Z", "2026-01-27T15:33:60.123Z"),
        *("2026-01-27T15:33:20.12\u06603Z", "2026-01-27T15:33:20+03:00Z", "2026-01-27T15:33:20.1234+00:00"),
    ],
)
def test_what_is_odd_is_not_read_quickly(text: str) -> None:
    assert read(text) == read(" " + text)
