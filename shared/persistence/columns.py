"""A table's columns, for bulk statements that pass rows as one array per column."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_TYPE = re.compile(r"[a-z][a-z0-9 ]*(\[\])?")


class Columns:
    """Columns by name with their PostgreSQL types, such as ``Columns(case_id="text", answer="jsonb")``.

    Its texts contain only these names and types, never values, so that it is safe to compose statements from them::

        INSERT INTO cases ({columns.names}) SELECT {columns.values} FROM {columns.given}

    ``names``: ``case_id, answer``
    ``given``: the rows passed, as a table named ``given``; JSON and arrays are passed as text
    ``given_in_order``: the same, with their ``place`` in the order passed, to ORDER BY
    ``written``, ``written_in_order``: the same two, of parameters from ``literals``
    ``values``: ``case_id, answer::jsonb``, the columns of ``given`` in the types of the table
    ``one``: the VALUES of a single row, one parameter per column
    """

    def __init__(self, **types: str) -> None:
        for name, kind in types.items():
            if not _NAME.fullmatch(name) or not _TYPE.fullmatch(kind):
                raise ValueError(f"{name}: {kind!r} is not a column's name and type")
        self._types = types
        self.names = ", ".join(types)
        self.values = ", ".join(self._value(name) for name in types)
        self.one = ", ".join(f"CAST(:{name} AS {kind})" for name, kind in types.items())
        arrays = ", ".join(f"CAST(:{name} AS {_on_the_way(kind)}[])" for name, kind in types.items())
        self.given = f"unnest({arrays}) AS given ({self.names})"
        self.given_in_order = f"unnest({arrays}) WITH ORDINALITY AS given ({self.names}, place)"
        written = ", ".join(f"CAST(CAST(:{name} AS text) AS {_on_the_way(kind)}[])" for name, kind in types.items())
        self.written = f"unnest({written}) AS given ({self.names})"
        self.written_in_order = f"unnest({written}) WITH ORDINALITY AS given ({self.names}, place)"

    def updates(self, source: str, *, but: str = "") -> str:
        """The SET list of an UPDATE: ``case_id = given.case_id, answer = given.answer::jsonb, …``.

        ``source`` is "given", or "excluded" in an ON CONFLICT; ``but`` is a column to leave out, such as the key.
        """
        return ", ".join(f"{name} = {source}.{self._value(name)}" for name in self._types if name != but)

    def parameters(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """The parameters of a statement with ``given``: every column's value of each row."""
        listed = list(rows)
        return {name: [row[name] for row in listed] for name in self._types}

    def attributes(self, objects: Iterable[object]) -> dict[str, list[Any]]:
        """Like ``parameters``, for objects whose attributes are named like the columns."""
        listed = list(objects)
        return {name: [getattr(one, name) for one in listed] for name in self._types}

    def literals(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, str]:
        """The parameters of a statement with ``written``, from every column's values.

        As PostgreSQL writes arrays: the driver takes a microsecond for each element of a list, looking for lists in it.
        """
        return {name: array_literal(columns[name], kind) for name, kind in self._types.items()}

    def _value(self, name: str) -> str:
        kind = self._types[name]
        return f"{name}::{kind}" if _travels_as_text(kind) else name


def array_literal(values: Sequence[Any], kind: str = "text") -> str:
    """An array of that type in the words of PostgreSQL, such as ``{"a","b",NULL}``; for JSON and arrays, of texts."""
    if not values:
        return "{}"
    texts: Sequence[Any] = values
    if kind == "timestamptz":
        texts = _moments(values)
    elif kind == "boolean":
        texts = [None if value is None else "t" if value else "f" for value in values]
    elif kind in _NUMBERS:
        texts = [None if value is None else str(value) for value in values]
    elif kind not in _TEXTS and not _travels_as_text(kind):
        raise ValueError(f"arrays of {kind} cannot be written")
    given, nulls = texts, texts.count(None)
    if nulls:
        texts = [_NULL if text is None else text for text in texts]
    # All of them are escaped by one call each, and it is made sure that none contains what holds the places.
    joined = _BETWEEN.join(texts)
    if joined.count(_BETWEEN) >= len(texts) or joined.count(_NULL) > nulls:
        return f"{{{','.join(['NULL' if text is None else _quoted(text) for text in given])}}}"
    if "\\" in joined:
        joined = joined.replace("\\", "\\\\")
    if '"' in joined:
        joined = joined.replace('"', '\\"')
    literal = '{"' + joined.replace(_BETWEEN, '","') + '"}'
    return literal.replace(f'"{_NULL}"', "NULL") if nulls else literal


# PostgreSQL stores no U+0000, and JSON has no U+0001 that is not escaped.
_BETWEEN, _NULL = "\0", "\1"
_NUMBERS = frozenset(("integer", "bigint", "smallint"))
_TEXTS = frozenset(("text", "uuid"))


def _moments(values: Sequence[datetime | None]) -> list[str | None]:
    """Those of one batch are often the same moment."""
    known: datetime | None = None
    text: str | None = None
    texts = []
    for value in values:
        if value is not known and value != known:
            known, text = value, None if value is None else value.isoformat()
        texts.append(text)
    return texts


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _on_the_way(kind: str) -> str:
    return "text" if _travels_as_text(kind) else kind


def _travels_as_text(kind: str) -> bool:
    # Nested arrays would all have to have the same length.
    return kind == "jsonb" or kind.endswith("[]")
