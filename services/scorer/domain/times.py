"""The end of a window, as people write it in an address."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.moments import end_of, in_utc, parse_date

# An unencoded plus arrives as a space.
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)([Zz]|[-+ ]\d{2}:?\d{2})")


class BadTime(ValueError):
    """Neither a time nor a day; the message says what is expected."""


def read_end(written: str, zone: ZoneInfo) -> datetime:
    """A time with an offset, or the last moment of a day in ``zone``; in UTC. Raises BadTime."""
    try:
        if day := parse_date(written):
            return end_of(day, zone)
        if found := _TIME.fullmatch(written):
            clock, offset = found.groups()
            return in_utc(datetime.fromisoformat(clock.upper() + offset.upper().replace(" ", "+")))
    except ValueError as error:
        raise BadTime(f"is {written!r}, but {error}") from error
    raise BadTime(
        f"is {written!r}; write a time with its UTC offset, such as 2026-11-01T09:30:00+01:00, or a day, such as "
        "2026-11-01"
    )
