"""Human-readable durations: ``1 hour``, ``30 days``, ``0 days``."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {
    "week": timedelta(weeks=1),
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
}
_WRITTEN = re.compile(r"(\d{1,9}) *(week|day|hour|minute|second)s?", re.ASCII)
LONGEST = timedelta(days=3_650)


def parse(written: object) -> timedelta:
    """Parses ``written``: from 0 seconds to ten years. Raises ValueError with a hint on how to write it."""
    if isinstance(written, timedelta):
        return written
    match = _WRITTEN.fullmatch(written.strip().lower()) if isinstance(written, str) else None
    if match is None:
        raise ValueError('write a number and weeks, days, hours, minutes or seconds, such as "30 days"')
    length = int(match[1]) * _UNITS[match[2]]
    if length > LONGEST:
        raise ValueError('is longer than ten years; write at most "3650 days"')
    return length


def write(length: timedelta) -> str:
    """Formats ``length`` in the largest unit that divides it without a remainder."""
    if not length:
        return "0 days"
    for name, unit in _UNITS.items():
        if length % unit == timedelta(0):
            count = length // unit
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return f"{length // timedelta(seconds=1)} seconds"


Duration = Annotated[timedelta, BeforeValidator(parse), PlainSerializer(write, return_type=str)]
