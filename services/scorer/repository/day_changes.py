"""The table ``day_changes``: what batches add to the day counts, until it is folded into them.

Which changes are folded is known from the snapshot of the last fold: it deleted what it saw, so what is left are
changes of transactions that it did not see. Reading only those takes the same time however many deleted rows are still
there because somebody holds an old snapshot, and misses nothing, in whatever order transactions commit.

A change without a transaction was set aside, because it cannot be folded.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.tally import Cell, DayChange
from services.scorer.repository.arrays import ArrayColumns
from shared.persistence.statement import Statement

_COLUMNS = ArrayColumns(
    segment_id="integer",
    campaign_id="integer",
    day="date",
    promoters="integer",
    passives="integer",
    detractors="integer",
    delivered="integer",
    answered="integer",
)
_ADD = Statement(
    f"INSERT INTO day_changes ({_COLUMNS.names}) SELECT {_COLUMNS.values} FROM {_COLUMNS.given}"  # noqa: S608  # composed of column names, never values
)

# After a restore into another cluster, the snapshot may be of its future. Then everything is read.
_SNAPSHOT = "publisher WHERE pg_snapshot_xmax(folded) <= pg_snapshot_xmax(pg_current_snapshot())"


def _from(transaction: str) -> str:
    """A condition: all transactions from that one on.

    Of a range with two ends the planner expects few rows, and so walks the index. Of one with a single end, or of some
    transactions in an array, it may expect so many that it would read the whole table.
    """
    return f"transaction >= {transaction} AND transaction <= '{2**64 - 1}'"


def to_fold(columns: str, *, where: str = "true") -> str:
    """A SELECT of ``columns`` of the changes that are not folded yet, without those that were set aside."""
    return f"""
        SELECT {columns} FROM day_changes
        WHERE {_from(f"COALESCE((SELECT pg_snapshot_xmax(folded) FROM {_SNAPSHOT}), '0')")} AND {where}
        UNION ALL
        SELECT {columns} FROM day_changes
        WHERE transaction = ANY (ARRAY(SELECT pg_snapshot_xip(folded) FROM {_SNAPSHOT}))
          AND {_from(f"(SELECT pg_snapshot_xmin(folded) FROM {_SNAPSHOT})")} AND {where}
    """  # noqa: S608  # composed of constants of this folder


def unfolded(columns: str, *, where: str = "true") -> str:
    """A SELECT of ``columns`` of all changes that are not in the day counts."""
    return f"""
        {to_fold(columns, where=where)}
        UNION ALL
        SELECT {columns} FROM day_changes WHERE transaction IS NULL AND {where}
    """  # noqa: S608  # composed of constants of this folder


CELLS = ArrayColumns(segment_id="integer", campaign_id="integer", day="date")
"""Rows of the day counts, by what they are of."""

IN_CELLS = f"(segment_id, campaign_id, day) IN (SELECT {CELLS.names} FROM {CELLS.given})"  # noqa: S608  # composed of column names, never values

_SET_ASIDE = Statement(
    f"""
    UPDATE day_changes SET transaction = NULL
    WHERE ctid = ANY (ARRAY(SELECT place FROM ({to_fold("ctid AS place", where=IN_CELLS)}) AS unfolded))
    """  # noqa: S608  # composed of constants of this folder
)


async def add(connection: AsyncConnection, changes: Sequence[DayChange]) -> None:
    """Adds to the counts."""
    if changes:
        await _ADD.changes(connection, _COLUMNS.parameters(changes))


async def set_aside(connection: AsyncConnection, cells: Sequence[Cell]) -> None:
    """Lets no fold take the changes of these cells that are not folded; they count wherever day counts are read."""
    await _SET_ASIDE.changes(connection, CELLS.parameters(cells))
