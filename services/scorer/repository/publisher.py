"""The table ``publisher``: whose turn it is to publish, of which day, and what there is to do."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publisher import Publisher, Walk
from services.scorer.repository.day_changes import to_fold
from shared.persistence.statement import Row, Statement

# Two concurrent publishers could overwrite a newer score with a stale one. The lock is held until the transaction
# ends, either way.
_TAKE_TURN = Statement("SELECT pg_try_advisory_xact_lock(hashtextextended('hearback.publish.' || current_schema(), 0))")
_READ = Statement(
    "SELECT last_day, walked_to, walk_again, building, folding IS NOT NULL AS partly_folded FROM publisher"
)
_WRITE = Statement(
    """
    UPDATE publisher SET last_day = :last_day, walked_to = :walked_to, walk_again = :walk_again, building = :building
    """
)
_SUMS_ARE_OF = text(
    "SELECT EXISTS (SELECT FROM publisher WHERE last_day = CAST(:day AS date) AND walked_to IS NULL AND NOT building)"
)
_PUBLISHED_TO = Statement("UPDATE publisher SET published_to = :moment")
_OF_THE_FUTURE = """
    greatest(pg_snapshot_xmax(folded), pg_snapshot_xmax(folding)) > pg_snapshot_xmax(pg_current_snapshot())
"""
_FORGET_FUTURE = Statement(f"UPDATE publisher SET folded = NULL, folding = NULL WHERE {_OF_THE_FUTURE}")  # noqa: S608  # composed of constants
_DUE = Statement(
    f"""
    SELECT folding IS NOT NULL OR COALESCE({_OF_THE_FUTURE}, false) OR EXISTS ({to_fold("1")}) AS changes,
           CAST(folded AS text) AS folded_to,
           (SELECT EXTRACT(epoch FROM clock_timestamp() - waiting_since)
            FROM window_sums
            WHERE waiting_since >= published_to
            ORDER BY waiting_since
            LIMIT 1) AS oldest_seconds,
           last_day, walked_to, walk_again, building, folding IS NOT NULL AS partly_folded
    FROM publisher
    """  # noqa: S608  # composed of constants of this folder
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """``changes`` if there are some to fold; ``folded_to`` is another one once all are folded that there were.

    ``oldest_seconds`` is how long ago the oldest change was folded that is not published yet, None if there is none.
    """

    changes: bool
    folded_to: str | None
    oldest_seconds: float | None
    publisher: Publisher


async def take_turn(connection: AsyncConnection) -> bool:
    """Whether this process may fold and publish, until its transaction ends."""
    return bool(await _TAKE_TURN.value(connection))


async def due(connection: AsyncConnection) -> Due:
    """What there is to do, whosever turn it is."""
    row = await _DUE.row(connection)
    assert row is not None
    oldest = None if row.oldest_seconds is None else max(0.0, float(row.oldest_seconds))
    return Due(changes=row.changes, folded_to=row.folded_to, oldest_seconds=oldest, publisher=_publisher(row))


async def forget_future(connection: AsyncConnection) -> None:
    """Forgets what is folded if that is known by transactions this cluster has not had yet, as after a restore.

    Once it has had them, they would be taken for the others, and their changes for folded.
    """
    await _FORGET_FUTURE.changes(connection)


async def read(connection: AsyncConnection) -> Publisher:
    """To be called in another statement than ``take_turn``: that one sees what was before it waited for the turn."""
    return _publisher(await _READ.row(connection))


async def sums_are_of(connection: AsyncConnection, day: date) -> bool:
    """Whether every segment and campaign that was counted has its sums, and all of them are of ``day``."""
    return bool((await connection.execute(_SUMS_ARE_OF, {"day": day})).scalar_one())


async def write(connection: AsyncConnection, publisher: Publisher) -> None:
    """Stores the day and how far its walk is."""
    values: dict[str, date | int | bool | None] = {
        "last_day": publisher.last_day,
        "walked_to": publisher.walk.to,
        "walk_again": publisher.walk.again,
        "building": publisher.building,
    }
    await _WRITE.changes(connection, values)


async def published_to(connection: AsyncConnection, moment: datetime) -> None:
    """Everything that waited since before ``moment`` is published."""
    await _PUBLISHED_TO.changes(connection, {"moment": moment})


def _publisher(row: Row | None) -> Publisher:
    assert row is not None
    return Publisher(
        last_day=row.last_day,
        walk=Walk(to=row.walked_to, again=row.walk_again),
        building=row.building,
        partly_folded=row.partly_folded,
    )
