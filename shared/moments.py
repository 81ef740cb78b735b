"""Moments as numbers, as words and as others write them; the earlier or later of two that may be unknown."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

RFC_3339_PATTERN = (
    r"^(?:19[7-9]|2[01][0-9])[0-9]-[01][0-9]-[0-3][0-9]"
    r"T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-][0-2][0-9]:[0-5][0-9])$"
)
"""What a ``date-time`` of RFC 3339 §5.6 looks like, in the years 1970 to 2199, without lower-case letters and leap
seconds. It is for a JSON Schema, too, whose ``format`` says whether there is such a day."""

RFC_3339 = re.compile(RFC_3339_PATTERN)
"""To be used with ``fullmatch``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_AS_WE_WRITE = {
    20: ("--T::Z", "Z"),
    24: ("--T::.", "Z"),
    27: ("--T::.", "Z"),
    25: ("--T::+", "+00:00"),
    29: ("--T::.", "+00:00"),
    32: ("--T::.", "+00:00"),
}
"""By the length of what our services write: every third character of ``2026-11-01T09:30:00.123Z`` from the fifth to the
20th, and the ending. What looks like that, and is a time for Python, is RFC 3339; to see that takes half the time."""
_OUTSIDE = "is outside the years 1970 to 2199; send the actual time"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WRITTEN = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt_ ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)"
    r" ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)


def stamp_of(moment: datetime) -> int:
    """Microseconds since 1970 UTC."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(stamp: int) -> datetime:
    """The time of a stamp, in UTC."""
    return _EPOCH + timedelta(microseconds=stamp)


def to_the_minute(moment: datetime) -> str:
    """As people read it: ``2026-11-01 09:30 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC. ValueError for one without an offset, or outside 1970 to 2199, as arithmetic with
    offsets may overflow at the ends of the calendar."""
    if moment.tzinfo is None:
        raise ValueError("has no UTC offset; write one, as in 2026-11-01T09:30:00-03:00")
    try:
        instant = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(_OUTSIDE) from error
    if not _EPOCH <= instant < _LATEST:
        raise ValueError(_OUTSIDE)
    return instant


def parse_moment(text: str, *, zone: tzinfo | None = None) -> datetime:
    """The moment, in UTC, that a text says: RFC 3339, or close to it (a blank for the T, no seconds, ``+0300``).

    One without an offset is taken in ``zone``, if given. Raises ValueError for anything else: digits alone could be
    seconds, milliseconds or a date, so they are no moment.
    """
    separators, ending = _AS_WE_WRITE.get(len(text), (None, ""))
    if text[4:20:3] == separators and text.endswith(ending):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:  # suppress() would take longer than all the rest
            pass
        else:
            if 1970 <= moment.year < 2200:
                return moment
    text = text.strip()
    if RFC_3339.fullmatch(text):
        return in_utc(datetime.fromisoformat(text))
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError("is not an RFC 3339 time with an offset, such as 2026-11-01T09:30:00-03:00")
    day, clock, offset = written.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{(offset or '').upper()}")
    return in_utc(moment if moment.tzinfo is not None or zone is None else moment.replace(tzinfo=zone))


def parse_date(text: str) -> date | None:
    """The day that a text such as ``2026-11-01`` says; None for any other text. ValueError for a day that is none."""
    return date.fromisoformat(text) if _DATE.fullmatch(text) else None


def start_of(day: date, zone: tzinfo) -> datetime:
    """The first moment of the day in that zone, in UTC. ValueError outside 1970 to 2199."""
    return in_utc(datetime.combine(_in_range(day), time.min, zone))


def end_of(day: date, zone: tzinfo) -> datetime:
    """The last microsecond of the day in that zone, in UTC. ValueError outside 1970 to 2199.

    It is taken from the next midnight, as the last hour of a day may come twice.
    """
    following = _in_range(day) + timedelta(days=1)
    return in_utc(datetime.combine(following, time.min, zone).astimezone(UTC) - timedelta(microseconds=1))


def _in_range(day: date) -> date:
    if not _EPOCH.date() <= day < _LATEST.date():
        raise ValueError(_OUTSIDE)
    return day


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two times, either of which may be unknown."""
    if one is None or other is None:
        return one or other
    return min(one, other)


def latest(*moments: datetime | None) -> datetime | None:
    """The latest of the times that are known."""
    return max((moment for moment in moments if moment is not None), default=None)
