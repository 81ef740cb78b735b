"""Rows that a migration must preserve, and whether it did.

Each service has a module ``tests/integration/<service>/migrations/rows.py``: ``ROWS`` holds, for each revision, rows as
the tables of that revision may hold them, and ``AFTER``, for each revision, the older rows it changes, as they are
afterwards. Values are as PostgreSQL writes them in JSON: a bytea is ``\\x01``, a moment
``2026-03-02T12:00:00+00:00``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""By table, in an order that foreign keys allow."""
Changed = Mapping[str, Sequence[Row] | None]
"""The tables a migration changes: their rows afterwards, None for a dropped table."""

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

DEAD_LETTER_STATE_ROWS: Rows = {
    "dead_letters": [
        {
            "consumer": "c", "topic": "orders", "partition": 0, "record_offset": 4, "reason": "not JSON",
            "recorded_at": "2026-03-02T12:00:00+00:00", "event_id": "e-1", "records": 1, "state": "put_back",
            "changed_at": "2026-03-02T13:00:00+00:00",
        }
    ],
    "dead_letter_grants": [
        {"consumer": "c", "topic": "orders", "granted_at": "2026-03-02T12:00:00+00:00", "records": 10_000}
    ],
    "stopped_partitions": [
        {
            "consumer": "c", "topic": "orders", "partition": 0, "record_offset": 5, "cause": "dead_letter_limit",
            "explanation": "too many", "stopped_at": "2026-03-02T12:00:00+00:00",
        }
    ],
}  # fmt: skip

SET_ASIDE_ROWS: Rows = {
    "outbox_set_aside": [
        {
            "id": 5, "topic": "nps.scores", "key": "\\x6b", "headers": '[["ce_id","e-5"]]', "value": "\\x7b7d",
            "created_at": "2026-03-02T12:00:00+00:00", "set_aside_at": "2026-03-02T12:01:00+00:00", "tries": 2,
            "retry_at": "2026-03-02T12:02:00+00:00", "reason": "too large", "whole_topic": False,
        }
    ]
}  # fmt: skip

WITHDRAWN_SESSION_ROWS: Rows = {
    "withdrawn_sessions": [{"session_id": "s-1", "expires_at": "2026-03-02T12:00:00+00:00"}]
}

AFTER_DEAD_LETTER_STATES: Changed = {
    "dead_letters": [
        {**row, "event_id": None, "records": 1, "state": "set_aside", "changed_at": None}
        for row in RUNTIME_ROWS["dead_letters"]
    ]
}

DEAD_LETTER_SUBJECT_ROWS: Rows = {
    "dead_letters": [
        {**row, "record_offset": 6, "subjects": ["5f" * 16]} for row in DEAD_LETTER_STATE_ROWS["dead_letters"]
    ]
}

AFTER_DEAD_LETTER_SUBJECTS: Changed = {
    "dead_letters": [
        {**row, "subjects": []}
        for row in (*(AFTER_DEAD_LETTER_STATES["dead_letters"] or ()), *DEAD_LETTER_STATE_ROWS["dead_letters"])
    ]
}

TOPIC_IDENTITY_ROWS: Rows = {
    "consumer_positions": [
        {
            "consumer": "c", "topic": "orders", "partition": 3, "next_offset": 7,
            "cluster_id": "MkU3OEVBNTcwNTJENDM2Qg", "topic_id": "00000000-0000-4000-8000-000000000003",
            "changed_at": "2026-03-02T12:00:00+00:00",
        }
    ]
}  # fmt: skip


def after_topic_identities(rows: Mapping[str, Rows]) -> Changed:
    """``rows`` are a service's, by revision."""
    before = rows["0001"]["consumer_positions"]
    return {"consumer_positions": [{**row, "cluster_id": None, "topic_id": None} for row in before]}


def differences(before: Rows, after: Rows, expected: Changed) -> list[str]:
    """What is wrong after a migration, in words.

    ``expected`` has the tables that the migration changes: their rows, with the columns to compare, or None for a
    dropped table. All other rows must be unchanged. A new column of a table with rows is an error, unless ``expected``
    says what these rows have in it.
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
            found += [f"{table}.{column} is new: say in AFTER what older rows have in it" for column in sorted(new)]
    return found


def _only(rows: Sequence[Row], columns: set[str]) -> list[str]:
    """Comparable, whatever the order of the rows."""
    return sorted(json.dumps({name: row[name] for name in columns & row.keys()}, sort_keys=True) for row in rows)
