"""Arrays in PostgreSQL's text format, ``{0,4,7}``.

Columns of many rows are passed like this rather than as lists: the driver processes every element of a list several
times, which took longer than everything else done for an answer here.
"""

from collections.abc import Iterable
from functools import lru_cache


def array(values: Iterable[object]) -> str:
    """For values whose text needs no quotes: numbers, dates, UUIDs, booleans; None is NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


# Most answers have one of a few combinations of segments.
@lru_cache(maxsize=20_000)
def array_text(numbers: tuple[int, ...] | None) -> str | None:
    """One array of numbers as text; None is NULL."""
    return None if numbers is None else array(numbers)


def array_of_arrays(arrays: Iterable[tuple[int, ...] | None]) -> str:
    """A column of arrays as an array of texts: nested arrays in PostgreSQL must all have the same length."""
    texts = map(array_text, arrays)
    return "{" + ",".join(["NULL" if text is None else f'"{text}"' for text in texts]) + "}"
