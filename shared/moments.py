"""Moments as numbers and as words, and the earlier or later of two of which either may be unknown."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp_of(moment: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(stamp: int) -> datetime:
    """The time of a stamp, in UTC."""
    return _EPOCH + timedelta(microseconds=stamp)


def to_the_minute(moment: datetime) -> str:
    """As people read it: ``2026-11-01 09:30 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two times, either of which may be unknown."""
    return min((moment for moment in (one, other) if moment is not None), default=None)


def latest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two times, either of which may be unknown."""
    return max((moment for moment in (one, other) if moment is not None), default=None)
