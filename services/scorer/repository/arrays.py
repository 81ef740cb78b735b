"""Arrays in PostgreSQL's own text form, ``{0,4,7}``.

Columns of many rows travel like this rather than as lists: the driver looks at every element of a list several times,
which took longer than all else done for an answer here.
"""

from collections.abc import Iterable
from functools import lru_cache


def array(values: Iterable[object]) -> str:
    """Of values whose text needs no quotes: numbers, dates, UUIDs, booleans; None is NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


# Most answers carry one of few combinations of segments.
@lru_cache(maxsize=20_000)
def array_text(numbers: tuple[int, ...] | None) -> str | None:
    """One array of numbers as text; None is NULL."""
    return None if numbers is None else array(numbers)


def array_of_arrays(arrays: Iterable[tuple[int, ...] | None]) -> str:
    """A column of arrays as an array of texts: PostgreSQL's own arrays of arrays must all be of one length."""
    texts = map(array_text, arrays)
    return "{" + ",".join(["NULL" if text is None else f'"{text}"' for text in texts]) + "}"
