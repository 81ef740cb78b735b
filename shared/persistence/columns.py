"""A table's columns, for bulk statements that pass rows as one array per column."""

import re
from collections.abc import Iterable, Mapping
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

    def _value(self, name: str) -> str:
        kind = self._types[name]
        return f"{name}::{kind}" if _travels_as_text(kind) else name


def _on_the_way(kind: str) -> str:
    return "text" if _travels_as_text(kind) else kind


def _travels_as_text(kind: str) -> bool:
    # Nested arrays would all have to have the same length.
    return kind == "jsonb" or kind.endswith("[]")
