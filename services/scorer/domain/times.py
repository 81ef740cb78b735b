"""The end of a window, as people write it in an address."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# An unencoded plus arrives as a space.
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)([Zz]|[-+ ]\d{2}:?\d{2})")
_FIRST, _LAST = date(1970, 1, 1), date(2199, 12, 31)


class BadTime(ValueError):
    """Neither a time nor a day; the message says what is expected."""


def read_end(written: str, zone: ZoneInfo) -> datetime:
    """A time with an offset, or the last moment of a day in ``zone``. Raises BadTime."""
    try:
        if _DAY.fullmatch(written):
            return _end_of(_possible(date.fromisoformat(written)), zone)
        if found := _TIME.fullmatch(written):
            clock, offset = found.groups()
            moment = datetime.fromisoformat(clock.upper() + offset.upper().replace(" ", "+"))
            _possible(moment.date())
            return moment.astimezone(UTC)
    except ValueError as error:
        raise BadTime(f"is {written!r}: {error}") from error
    raise BadTime(
        f"is {written!r}; write a time with its UTC offset, such as 2026-11-01T09:30:00+01:00, or a day, such as "
        "2026-11-01"
    )


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC) - timedelta(microseconds=1)


def _possible(day: date) -> date:
    if not _FIRST <= day <= _LAST:
        raise ValueError("it must be in the years 1970 to 2199")
    return day
