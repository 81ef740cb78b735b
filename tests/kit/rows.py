"""Rows that a migration has to take along, and whether it did.

Each service has a module ``tests/integration/<service>/migrations/rows.py``: ``ROWS`` holds, for each revision, rows as
the tables of that revision may hold them, and ``AFTER``, for each revision, what it makes of older rows where it does
not leave them as they are. Values are as PostgreSQL writes them in JSON: a bytea is ``\\x01``, a moment
``2026-03-02T12:00:00+00:00``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""By table; in the order in which foreign keys want them inserted."""

RUNTIME_ROWS: Rows = {
    "consumer_positions": [
        {
            "consumer": "c", "topic": "orders", "partition": 2, "next_offset": 41,
            "changed_at": "2026-03-02T12:00:00+00:00",
        }
    ],
    "outbox": [
        {
            "id": 7, "topic": "nps.scores", "key": "\\x6b", "headers": '[["ce_id","e-7"]]', "value": "\\x7b7d",
            "created_at": "2026-03-02T12:00:00+00:00",
        }
    ],
    "dead_letters": [
        {
            "consumer": "c", "topic": "orders", "partition": 0, "record_offset": 3, "reason": "not JSON",
            "recorded_at": "2026-03-02T12:00:00+00:00",
        }
    ],
}  # fmt: skip


def differences(before: Rows, after: Rows, expected: Mapping[str, Sequence[Row] | None]) -> list[str]:
    """What is not right after a step, in words.

    ``expected`` has the tables the step changes: its rows, by the columns that are worth saying, or None for a table
    that is gone. Every other row must be as it was, and no table may have got a column of which nobody says what older
    rows have in it.
    """
    found = []
    for table, rows in before.items():
        if table in expected:
            wanted = expected[table]
            if wanted is None:
                found += [f"{table} is still there"] if table in after else []
                continue
            columns = {column for row in wanted for column in row}
            if _only(after.get(table, ()), columns) != _only(wanted, columns):
                found.append(f"{table} holds {_only(after.get(table, ()), columns)}, not {_only(wanted, columns)}")
        elif table not in after:
            found.append(f"{table} is gone")
        else:
            columns = {column for row in rows for column in row}
            if _only(after[table], columns) != _only(rows, columns):
                found.append(f"{table} held {_only(rows, columns)} and holds {_only(after[table], columns)}")
            new = {column for row in after[table] for column in row} - columns
            found += [f"{table}.{column} is new: AFTER must say what older rows have in it" for column in sorted(new)]
    return found


def _only(rows: Sequence[Row], columns: set[str]) -> list[str]:
    """Comparable, and in an order that does not depend on where the rows lie."""
    return sorted(json.dumps({name: row[name] for name in columns & row.keys()}, sort_keys=True) for row in rows)
