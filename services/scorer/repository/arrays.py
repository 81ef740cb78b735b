"""Arrays in PostgreSQL's text format, ``{0,4,7}``.

Columns of many rows are passed like this rather than as lists: the driver processes every element of a list several
times, which took longer than everything else done for an answer here.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

from shared.persistence.columns import Columns


def array(values: Iterable[object]) -> str:
    """For values whose text needs no quotes: dates, UUIDs, booleans; None is NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def array_of_numbers(numbers: Iterable[int | None]) -> str:
    """The same for integers, in a third of the time: Python writes the list."""
    return "{" + str(list(numbers))[1:-1].replace("None", "NULL") + "}"


def array_text(numbers: Iterable[int] | None) -> str | None:
    """One array of numbers as text; None is NULL."""
    return None if numbers is None else array_of_numbers(numbers)


def array_of_arrays(arrays: Iterable[tuple[int, ...] | None]) -> str:
    """A column of arrays as an array of texts: nested arrays in PostgreSQL must all have the same length."""
    # Python writes tuples of integers: ``[(0, 4, 7), None, (0,)]``.
    written = str(list(arrays))[1:-1].replace("None", "NULL")
    return "{" + written.replace("(", '"{').replace(",)", ")").replace(")", '}"') + "}"


def array_of_days(days: Sequence[date | None]) -> str:
    """The same as ``array``; many rows have the same few days."""
    texts = {day: "NULL" if day is None else str(day) for day in set(days)}
    return "{" + ",".join([texts[day] for day in days]) + "}"


def array_of_ids(ids: Sequence[str]) -> str:
    """The same as ``array``, for UUIDs as text, none of which is None."""
    return "{" + ",".join(ids) + "}"


def array_of_words(words: Sequence[str | None]) -> str:
    """The same as ``array``, for texts that need no quotes. Most columns of them are empty."""
    return "{" + "NULL," * (len(words) - 1) + "NULL}" if words.count(None) == len(words) else array(words)


class ArrayColumns:
    """``Columns`` whose rows are passed as one such array each. Texts must need no quotes."""

    def __init__(self, **types: str) -> None:
        columns = Columns(**types)
        self.names = columns.names
        self.values = columns.values
        self.given = columns.written
        self._writers = [(name, _WRITERS.get(kind, array)) for name, kind in types.items()]

    def parameters(self, rows: Sequence[tuple[Any, ...]]) -> dict[str, str]:
        """The parameters of a statement with ``given``, of at least one row; each has its values in the order of the
        columns."""
        columns = zip(*rows, strict=True)
        return {name: write(column) for (name, write), column in zip(self._writers, columns, strict=True)}


_WRITERS: dict[str, Callable[[Any], str]] = {
    "integer": array_of_numbers,
    "smallint": array_of_numbers,
    "integer[]": array_of_arrays,
    "date": array_of_days,
    "uuid": array_of_ids,
    "text": array_of_words,
}
