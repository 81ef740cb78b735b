"""The table ``window_sums``: what each segment and campaign adds up to in every window, kept up to date.

A row is the sum of the day counts over the windows that end on its day. Only who has the turn to publish writes it.
"""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publication import ALL_CAMPAIGNS, Key, Waiting
from services.scorer.domain.segments import EVERYBODY_ID
from services.scorer.domain.tally import Cell
from services.scorer.domain.windows import SPANS, Span
from services.scorer.repository.day_changes import CELLS, IN_CELLS, to_fold
from shared.persistence.planner import index_walk
from shared.persistence.statement import Row, Statement

_COUNTERS = ("promoters", "passives", "detractors", "delivered", "answered")
_COUNTED = ", ".join(_COUNTERS)


def _columns() -> list[tuple[str, str, Span]]:
    """The sums in the order of the domain's: the column, what it sums up, and over which days."""
    return [
        (f"{counter}_{'before_' if span.before else ''}{span.window}", counter, span)
        for span in SPANS
        for counter in (_COUNTERS[:3] if span.before else _COUNTERS)
    ]


_SUMS = ", ".join(name for name, _, _ in _columns())


def _sum(counter: str, span: Span, end: str) -> str:
    """The sum over the days of the window that ends on ``end``."""
    age = f"{end} - day"
    within = f"{age} >= {span.first}" + ("" if span.end is None else f" AND {age} < {span.end}")
    return f"COALESCE(sum({counter}) FILTER (WHERE {within}), 0)"


def _sums(end: str) -> str:
    return ", ".join(f"{_sum(counter, span, end)} AS {name}" for name, counter, span in _columns())


def _moved(end: str, *, since: str) -> str:
    """What the sums of windows that end on ``end`` are more than those of the windows that end on ``since``."""
    return ", ".join(
        f"{_sum(counter, span, end)} - {_sum(counter, span, since)} AS {name}" for name, counter, span in _columns()
    )


_ADDED = ", ".join(f"{name} = sums.{name} + COALESCE(added.{name}, 0)" for name, _, _ in _columns())
# Never before what is published already, even if the database's clock goes back.
_NOW = "(SELECT greatest(clock_timestamp(), published_to) FROM publisher)"

# Answers without a campaign count for all campaigns together only.
_SPREAD = f"""
    SELECT segment_id, campaign_id, day, {_COUNTED} FROM cells WHERE campaign_id <> 0
    UNION ALL
    SELECT segment_id, {ALL_CAMPAIGNS}, day, {_COUNTED} FROM cells
"""  # noqa: S608  # composed of constants

_BEGUN = "folding IS NULL OR pg_visible_in_snapshot(transaction, folding)"
# Once all is taken that there was, its snapshot is noted.
_NOTED = """
    UPDATE publisher SET
        folded = CASE WHEN found.number < :most THEN COALESCE(folding, pg_current_snapshot()) ELSE folded END,
        folding = CASE WHEN found.number < :most THEN NULL ELSE COALESCE(folding, pg_current_snapshot()) END
    FROM (SELECT count(*) AS number FROM taken) AS found
    RETURNING folding IS NOT NULL AS partly
"""


def _fold(which: str, *, noted: str) -> Statement:
    """Takes what batches have added, many changes of a cell as one, to the day counts and to the sums. Back come the
    rows of sums that do not exist yet.

    ``which`` selects the places of the changes, ``noted`` says whether the sums are now in between two moments.
    """
    return Statement(
        f"""
        WITH taken AS (
            DELETE FROM day_changes
            WHERE ctid = ANY (ARRAY({which}))
            RETURNING segment_id, campaign_id, day, {_COUNTED}
        ), cells AS MATERIALIZED (
            SELECT segment_id, campaign_id, day,
                   {", ".join(f"CAST(sum({counter}) AS integer) AS {counter}" for counter in _COUNTERS)}
            FROM taken
            GROUP BY segment_id, campaign_id, day
            HAVING {" OR ".join(f"sum({counter}) <> 0" for counter in _COUNTERS)}
        ), counted AS (
            INSERT INTO day_counts AS counted (segment_id, campaign_id, day, {_COUNTED})
            SELECT segment_id, campaign_id, day, {_COUNTED} FROM cells ORDER BY segment_id, campaign_id, day
            ON CONFLICT (segment_id, campaign_id, day) DO UPDATE SET
                {", ".join(f"{counter} = counted.{counter} + excluded.{counter}" for counter in _COUNTERS)}
        ), spread AS MATERIALIZED ({_SPREAD}), summed AS (
            UPDATE window_sums AS sums SET {_ADDED}, waiting_since = COALESCE(sums.waiting_since, {_NOW})
            FROM (
                SELECT segment_id, campaign_id, {_sums("known.as_of")}
                FROM spread JOIN window_sums AS known USING (segment_id, campaign_id)
                GROUP BY segment_id, campaign_id
            ) AS added
            WHERE sums.segment_id = added.segment_id AND sums.campaign_id = added.campaign_id
            RETURNING sums.segment_id, sums.campaign_id
        ), missing AS (
            SELECT segment_id, campaign_id FROM spread EXCEPT SELECT segment_id, campaign_id FROM summed
        ), noted AS ({noted})
        SELECT (SELECT partly FROM noted) AS partly, array_agg(segment_id) AS segment_ids,
               array_agg(campaign_id) AS campaign_ids
        FROM missing
        """  # noqa: S608  # composed of constants of this folder
    )


# What is at most taken bounds the time of the transaction; if there is more, the next ones take the rest of what this
# one saw, and nothing newer, so that the sums are soon those of a moment.
_FOLD = _fold(
    f"""
    SELECT place FROM ({to_fold("ctid AS place, transaction")}) AS unfolded, publisher WHERE {_BEGUN} LIMIT :most
    """,  # noqa: S608  # composed of constants of this folder
    noted=_NOTED,
)
_FOLD_CELLS = _fold(
    f"""
    SELECT place FROM ({to_fold("ctid AS place, transaction", where=IN_CELLS)}) AS unfolded, publisher WHERE {_BEGUN}
    """,  # noqa: S608  # composed of constants of this folder
    noted="SELECT true AS partly",
)
_CELLS_TO_FOLD = Statement(
    f"""
    SELECT DISTINCT {CELLS.names} FROM (
        SELECT {CELLS.names} FROM ({to_fold(f"{CELLS.names}, transaction")}) AS unfolded, publisher
        WHERE {_BEGUN} LIMIT :most
    ) AS next
    ORDER BY {CELLS.names}
    """  # noqa: S608  # composed of constants of this folder
)
_BUILD = Statement(
    f"""
    INSERT INTO window_sums (segment_id, campaign_id, as_of, waiting_since, {_SUMS})
    SELECT key.segment_id, key.campaign_id, :day, {_NOW}, {_SUMS}
    FROM unnest(CAST(:segment_ids AS integer[]), CAST(:campaign_ids AS integer[])) AS key (segment_id, campaign_id)
    CROSS JOIN LATERAL (
        SELECT {_sums("CAST(:day AS date)")}
        FROM day_counts
        WHERE day_counts.segment_id = key.segment_id
          AND (key.campaign_id = {ALL_CAMPAIGNS} OR day_counts.campaign_id = key.campaign_id)
    ) AS summed
    """  # noqa: S608  # composed of constants of this folder
)
_NEXT_SEGMENTS = Statement(
    """
    SELECT max(id) AS last, count(*) AS number
    FROM (SELECT id FROM segments WHERE id > :after ORDER BY id LIMIT :most) AS next
    """
)
_DAYS = Statement(
    """
    SELECT DISTINCT as_of FROM window_sums
    WHERE segment_id > :after AND segment_id <= :last AND as_of <> CAST(:day AS date)
    """
)
# Reads the few days that left or entered a window or a preceding one, not the days in between.
_MOVE = Statement(
    f"""
    WITH cells AS MATERIALIZED (
        SELECT segment_id, campaign_id, day, {_COUNTED}
        FROM day_counts
        WHERE day = ANY (CAST(:moved AS date[])) AND segment_id > :after AND segment_id <= :last
    ), spread AS ({_SPREAD})
    UPDATE window_sums AS sums SET
        {_ADDED}, as_of = :day,
        waiting_since = CASE WHEN added.segment_id IS NULL THEN sums.waiting_since
                             ELSE COALESCE(sums.waiting_since, {_NOW}) END
    FROM window_sums AS known
    LEFT JOIN (
        SELECT segment_id, campaign_id, {_moved("CAST(:day AS date)", since="CAST(:since AS date)")}
        FROM spread
        GROUP BY segment_id, campaign_id
    ) AS added USING (segment_id, campaign_id)
    WHERE known.segment_id > :after AND known.segment_id <= :last AND known.as_of = CAST(:since AS date)
      AND sums.segment_id = known.segment_id AND sums.campaign_id = known.campaign_id
    """  # noqa: S608  # composed of constants of this folder
)
_DROP = Statement(
    """
    DELETE FROM window_sums
    WHERE segment_id > :after AND segment_id <= :last AND as_of = CAST(:since AS date)
    RETURNING segment_id, campaign_id
    """
)
_MISSING = Statement(
    f"""
    SELECT DISTINCT segment_id, campaign_id FROM day_counts
    WHERE segment_id > :after AND segment_id <= :last AND campaign_id <> 0
    UNION ALL
    SELECT DISTINCT segment_id, {ALL_CAMPAIGNS} FROM day_counts WHERE segment_id > :after AND segment_id <= :last
    EXCEPT
    SELECT segment_id, campaign_id FROM window_sums WHERE segment_id > :after AND segment_id <= :last
    """  # noqa: S608  # composed of constants
)


def _waiting(which: str) -> Statement:
    """Sums with what they are called, of the rows that ``which`` selects."""
    return Statement(
        f"""
        SELECT chosen.segment_id, chosen.campaign_id, waiting_since, dimension, value, name AS campaign, {_SUMS}
        FROM (SELECT * FROM window_sums WHERE as_of = CAST(:day AS date) AND waiting_since IS NOT NULL AND {which})
            AS chosen
        JOIN segments ON segments.id = chosen.segment_id
        LEFT JOIN campaigns ON campaigns.id = chosen.campaign_id
        ORDER BY waiting_since
        """  # noqa: S608  # composed of constants of this folder
    )


_OLDEST = _waiting(
    """
    waiting_since >= (SELECT published_to FROM publisher)
    ORDER BY waiting_since
    LIMIT :most
    """
)
_OF_EVERYBODY = _waiting(
    f"""
    segment_id = {EVERYBODY_ID}
    ORDER BY campaign_id <> {ALL_CAMPAIGNS}, waiting_since
    LIMIT :most
    """
)
_OF_KEY = _waiting("segment_id = :segment_id AND campaign_id = :campaign_id")
_OUTDATED = Statement(
    f"""
    UPDATE window_sums SET waiting_since = {_NOW}
    WHERE segment_id > :after AND segment_id <= :last AND waiting_since IS NULL
      AND (segment_id, campaign_id) IN (
          SELECT segment_id, campaign_id
          FROM scores
          WHERE segment_id > :after AND segment_id <= :last
            AND figures[cardinality(figures) - cardinality(CAST(:rules AS bigint[])) + 1 :] <> CAST(:rules AS bigint[])
      )
    """  # noqa: S608  # composed of constants of this folder
)
_NOT_WAITING = Statement(
    """
    UPDATE window_sums SET waiting_since = NULL
    FROM unnest(CAST(:segment_ids AS integer[]), CAST(:campaign_ids AS integer[])) AS key (segment_id, campaign_id)
    WHERE window_sums.segment_id = key.segment_id AND window_sums.campaign_id = key.campaign_id
    """
)


async def fold(connection: AsyncConnection, *, most: int, day: date, made_to: int | None) -> bool:
    """Moves changes to the day counts and adds them to the sums; those that do not exist yet are of ``day``.

    While a walk makes the sums of all segments, ``made_to`` is the last one it has been to: those it has still to come
    to are left to it, except everybody's. True while the sums are not those of a moment, because there were more than
    ``most`` changes.
    """
    row = await _FOLD.row(connection, {"most": most})
    assert row is not None
    await _build_missing(connection, row, day, made_to)
    return bool(row.partly)


async def cells_to_fold(connection: AsyncConnection, *, most: int) -> list[Cell]:
    """What the next ``most`` changes to fold are of, ascending."""
    return [Cell(*row) for row in await _CELLS_TO_FOLD.rows(connection, {"most": most})]


async def fold_cells(connection: AsyncConnection, cells: Sequence[Cell], *, day: date, made_to: int | None) -> None:
    """Folds the changes of these alone. The sums are those of a moment only after ``fold`` has taken the others."""
    row = await _FOLD_CELLS.row(connection, CELLS.parameters(cells))
    assert row is not None
    await _build_missing(connection, row, day, made_to)


async def _build_missing(connection: AsyncConnection, folded: Row, day: date, made_to: int | None) -> None:
    """Makes the sums that a fold missed, but for those that a walk has still to come to."""
    missing = zip(folded.segment_ids or (), folded.campaign_ids or (), strict=True)
    now = [key for key in missing if made_to is None or key[0] <= made_to or key[0] == EVERYBODY_ID]
    await _build(connection, now, day)


async def next_segments(connection: AsyncConnection, *, after: int, most: int) -> tuple[int, bool]:
    """The last of the next ``most`` segments after ``after``, or that one itself; whether there may be more."""
    row = await _NEXT_SEGMENTS.row(connection, {"after": after, "most": most})
    assert row is not None
    return after if row.last is None else row.last, row.number == most


async def days(connection: AsyncConnection, *, after: int, last: int, day: date) -> list[date]:
    """The days, other than ``day``, of the sums of the segments after ``after`` up to ``last``."""
    return [row.as_of for row in await _DAYS.rows(connection, {"after": after, "last": last, "day": day})]


async def move(
    connection: AsyncConnection, *, after: int, last: int, since: date, day: date, moved: Sequence[date]
) -> None:
    """Brings the sums of these segments from day ``since`` to ``day``; ``moved`` are the days that count otherwise."""
    values = {"after": after, "last": last, "since": since, "day": day, "moved": list(moved)}
    await _MOVE.changes(connection, values)


async def sum_up(connection: AsyncConnection, *, after: int, last: int, since: date, day: date) -> None:
    """The same, from all the days."""
    rows = await _DROP.rows(connection, {"after": after, "last": last, "since": since})
    await _build(connection, [(row.segment_id, row.campaign_id) for row in rows], day)


async def sum_up_missing(connection: AsyncConnection, *, after: int, last: int, day: date) -> None:
    """Makes the rows of these segments that do not exist."""
    rows = await _MISSING.rows(connection, {"after": after, "last": last})
    await _build(connection, [(row.segment_id, row.campaign_id) for row in rows], day)


async def _build(connection: AsyncConnection, keys: Sequence[tuple[int, int]], day: date) -> None:
    if keys:
        await _BUILD.changes(connection, {**_arguments(keys), "day": day})


async def oldest(connection: AsyncConnection, *, day: date, most: int) -> list[Waiting]:
    """The sums of ``day`` that have been waiting longest to be published, at most ``most``."""
    async with index_walk(connection):
        rows = await _OLDEST.rows(connection, {"day": day, "most": most})
    return [_waiting_of(row) for row in rows]


async def of_everybody(connection: AsyncConnection, *, day: date, most: int) -> list[Waiting]:
    """Those of everybody that are waiting: of all campaigns together, and of the campaigns that have been waiting
    longest, at most ``most`` in all."""
    return [_waiting_of(row) for row in await _OF_EVERYBODY.rows(connection, {"day": day, "most": most})]


async def of_key(connection: AsyncConnection, key: Key, *, day: date) -> list[Waiting]:
    """Those of one segment and campaign, if they are waiting."""
    values = {"day": day, "segment_id": key.segment_id, "campaign_id": key.campaign_id}
    return [_waiting_of(row) for row in await _OF_KEY.rows(connection, values)]


async def outdated(connection: AsyncConnection, *, after: int, last: int, rules: Sequence[int]) -> None:
    """Has those of these segments wait whose scores were published by other ``rules``."""
    await _OUTDATED.changes(connection, {"after": after, "last": last, "rules": list(rules)})


async def not_waiting(connection: AsyncConnection, keys: Sequence[Key]) -> None:
    """Nothing of these is left to be published, until they change."""
    await _NOT_WAITING.changes(connection, _arguments(keys))


def _waiting_of(row: Row) -> Waiting:
    since: datetime = row.waiting_since
    return Waiting(
        Key(row.segment_id, row.campaign_id),
        since=since,
        segment=(row.dimension, row.value),
        campaign=row.campaign,
        sums=row[6:],
    )


def _arguments(keys: Sequence[tuple[int, int]]) -> dict[str, object]:
    return {"segment_ids": [key[0] for key in keys], "campaign_ids": [key[1] for key in keys]}
