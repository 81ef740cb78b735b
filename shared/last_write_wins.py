"""Last write wins: facts that arrive in any order and any number of times converge to the same state.

Of two writes to one field the later wins; of two at the same time, the greater value as JSON. Merging is therefore
commutative, associative and idempotent: the order of arrival does not matter.
"""

from collections.abc import Mapping
from datetime import datetime

import orjson

from shared.moments import stamp_of

Value = str | list[str] | dict[str, str]
LastWrites = Mapping[str, tuple[int, Value]]
"""Field to (microseconds since 1970 UTC, value): the write that won."""


def merge(writes: LastWrites, values: Mapping[str, Value | None], at: datetime) -> LastWrites:
    """``writes`` after ``values`` were written at ``at``. A value of None is not a write: the field keeps its value."""
    stamp = stamp_of(at)
    merged: dict[str, tuple[int, Value]] | None = None
    for field, value in values.items():
        if value is None:
            continue
        known = writes.get(field)
        if (
            known is None
            or stamp > known[0]
            or (stamp == known[0] and value != known[1] and _json(value) > _json(known[1]))
        ):
            if merged is None:
                merged = dict(writes)
            merged[field] = (stamp, value)
    return writes if merged is None else merged


def newer_than(writes: LastWrites, moment: datetime) -> LastWrites:
    """The writes made after ``moment``."""
    stamp = stamp_of(moment)
    return {field: entry for field, entry in writes.items() if entry[0] > stamp}


def text_of(writes: LastWrites, field: str) -> str | None:
    """The value of a text field; None for any other type, or if never written."""
    entry = writes.get(field)
    return entry[1] if entry is not None and isinstance(entry[1], str) else None


def _json(value: Value) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
