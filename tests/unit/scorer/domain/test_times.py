"""Ends of windows, as people write them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.scorer.domain.times import BadTime, read_end

SANTIAGO = ZoneInfo("America/Santiago")
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-01T09:30:00+01:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T09:30:00 01:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),  # an unencoded plus
        ("2026-11-01 09:30-03:00", datetime(2026, 11, 1, 12, 30, tzinfo=UTC)),
        ("2026-11-01t09:30:00.25z", datetime(2026, 11, 1, 9, 30, 0, 250_000, tzinfo=UTC)),
        # The day has 25 hours in New York, and ends at midnight there.
        ("2026-11-01", datetime(2026, 11, 2, 4, 59, 59, 999_999, tzinfo=UTC)),
        ("2026-03-08", datetime(2026, 3, 9, 3, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_a_time_or_a_day_is_understood(written: str, meant: datetime) -> None:
    assert read_end(written, NEW_YORK) == meant


def test_a_day_whose_last_hour_comes_twice_ends_with_the_second_one() -> None:
    """In Chile, clocks go back from midnight to 23:00."""
    assert read_end("2026-04-04", SANTIAGO) == datetime(2026, 4, 5, 3, 59, 59, 999_999, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "", "20261101", "1793525400", "1793525400000", "2026", "2026-11", "2026-13-01", "2026-11-01T25:00:00Z",
        "2026-11-01T09:30:00", "yesterday", "1969-12-31", "2200-01-01", "0001-01-01T00:00:00Z",
        "2026-11-01T09:30:00+99:99",
    ],
)  # fmt: skip
def test_what_is_neither_is_refused(written: str) -> None:
    with pytest.raises(BadTime, match="is "):
        read_end(written, NEW_YORK)
