"""Facts that come in any order and any number of times, and still end the same.

A register keeps the value with the latest time, and of two values of one time the greater as JSON. Taking in is
therefore commutative, associative and idempotent: the order of arrival decides nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import orjson

Value = str | list[str] | dict[str, str]
Registers = Mapping[str, tuple[int, Value]]
"""Field to (microseconds since 1970 UTC, value)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp_of(moment: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(stamped: int) -> datetime:
    """The moment of a stamp, in UTC."""
    return _EPOCH + timedelta(microseconds=stamped)


def take_in(registers: Registers, values: Mapping[str, Value | None], at: datetime) -> Registers:
    """``registers`` after being told ``values`` (None is "not said") that were true at ``at``."""
    stamped = stamp_of(at)
    taken = dict(registers)
    for field, value in values.items():
        if value is None:
            continue
        known = registers.get(field)
        if known is None or (stamped, _comparable(value)) > (known[0], _comparable(known[1])):
            taken[field] = (stamped, value)
    return taken


def newer_than(registers: Registers, moment: datetime) -> Registers:
    """What was said after ``moment``."""
    stamped = stamp_of(moment)
    return {field: entry for field, entry in registers.items() if entry[0] > stamped}


def text_of(registers: Registers, field: str) -> str | None:
    """The value of a field that holds a text."""
    entry = registers.get(field)
    return entry[1] if entry is not None and isinstance(entry[1], str) else None


def _comparable(value: Value) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two moments, either of which may be unknown."""
    return min((moment for moment in (one, other) if moment is not None), default=None)


def latest(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two moments, either of which may be unknown."""
    return max((moment for moment in (one, other) if moment is not None), default=None)
