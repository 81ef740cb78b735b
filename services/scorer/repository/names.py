"""The tables ``campaigns`` and ``segments``: every name has an id, and is never removed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.answers import NO_CAMPAIGN_ID
from services.scorer.domain.segments import EVERYBODY_ID, Segment
from services.scorer.repository.sums import pattern_containing
from shared.persistence.columns import Columns

_FIND_CAMPAIGNS = text("SELECT name, id FROM campaigns WHERE name = ANY(CAST(:names AS text[]))")
_ADD_CAMPAIGNS = text(
    """
    INSERT INTO campaigns (name)
    SELECT name FROM unnest(CAST(:names AS text[])) AS name ORDER BY name
    ON CONFLICT (name) DO NOTHING
    """
)
_SEGMENT = Columns(dimension="text", value="text")
_FIND_SEGMENTS = text(
    f"SELECT {_SEGMENT.names}, id FROM segments JOIN {_SEGMENT.given} USING ({_SEGMENT.names})"  # noqa: S608  # composed of column names, never values
)
_ADD_SEGMENTS = text(
    f"""
    INSERT INTO segments ({_SEGMENT.names}) SELECT {_SEGMENT.values} FROM {_SEGMENT.given} ORDER BY {_SEGMENT.names}
    ON CONFLICT ({_SEGMENT.names}) DO NOTHING
    """  # noqa: S608  # composed of column names, never values
)
_CAMPAIGNS = "SELECT name FROM campaigns WHERE id <> :no_campaign ORDER BY name LIMIT :campaigns"
_SEGMENTS = text(
    """
    SELECT dimension, value
    FROM segments
    WHERE id <> :everybody
      AND (CAST(:dimension AS text) IS NULL OR dimension = :dimension)
      AND (dimension, value) > (CAST(:after_dimension AS text), CAST(:after_value AS text))
    ORDER BY dimension, value
    LIMIT :limit
    """
)
_DIMENSIONS = """
    WITH RECURSIVE dimensions AS (
        SELECT min(dimension) AS dimension FROM segments WHERE dimension > ''
        UNION ALL
        SELECT (SELECT min(dimension) FROM segments WHERE segments.dimension > dimensions.dimension)
        FROM dimensions WHERE dimensions.dimension IS NOT NULL
    )
    SELECT dimension FROM dimensions WHERE dimension IS NOT NULL LIMIT :dimensions
"""
_FIRST = text(
    f"""
    SELECT ARRAY({_DIMENSIONS}) AS dimensions, ARRAY({_CAMPAIGNS}) AS campaigns, example.dimension, example.value
    FROM (VALUES (1)) AS always
    LEFT JOIN (SELECT dimension, value FROM segments WHERE id <> :everybody ORDER BY dimension, value LIMIT 1)
              AS example ON true
    """  # noqa: S608  # the statements above
)
# The name as it is written, but for the escapes of a colon in a dimension, which hardly anybody has.
_CONTAINING = text(
    """
    SELECT dimension, value
    FROM segments
    WHERE id <> :everybody AND dimension || ':' || value ILIKE :pattern
    ORDER BY dimension, value
    LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstNames:
    """The first dimensions and campaigns, and the first segment, if there is any."""

    dimensions: list[str]
    campaigns: list[str]
    segment: Segment | None


async def find_campaigns(connection: AsyncConnection, names: Collection[str]) -> dict[str, int]:
    """The ids of those that exist."""
    rows = await connection.execute(_FIND_CAMPAIGNS, {"names": list(names)})
    return {row.name: row.id for row in rows}


async def add_campaigns(connection: AsyncConnection, names: Collection[str]) -> None:
    """A no-op for those that exist already."""
    await connection.execute(_ADD_CAMPAIGNS, {"names": list(names)})


async def find_segments(connection: AsyncConnection, segments: Collection[Segment]) -> dict[Segment, int]:
    """The ids of those that exist."""
    rows = await connection.execute(_FIND_SEGMENTS, _parameters(segments))
    return {(row.dimension, row.value): row.id for row in rows}


async def add_segments(connection: AsyncConnection, segments: Collection[Segment]) -> None:
    """A no-op for those that exist already."""
    await connection.execute(_ADD_SEGMENTS, _parameters(segments))


async def segments(
    connection: AsyncConnection, *, after: Segment | None, dimension: str | None, limit: int
) -> list[Segment]:
    """Segments ordered by dimension and value, those after ``after``; of one dimension or all (None)."""
    after_dimension, after_value = after or ("", "")
    rows = await connection.execute(
        _SEGMENTS,
        {
            "everybody": EVERYBODY_ID,
            "after_dimension": after_dimension,
            "after_value": after_value,
            "dimension": dimension,
            "limit": limit,
        },
    )
    return [(row.dimension, row.value) for row in rows]


async def first(connection: AsyncConnection, *, dimensions: int, campaigns: int) -> FirstNames:
    """At most so many of each, in alphabetical order."""
    values = {
        "dimensions": dimensions,
        "campaigns": campaigns,
        "no_campaign": NO_CAMPAIGN_ID,
        "everybody": EVERYBODY_ID,
    }
    row = (await connection.execute(_FIRST, values)).one()
    segment = None if row.dimension is None else (row.dimension, row.value)
    return FirstNames(dimensions=row.dimensions, campaigns=row.campaigns, segment=segment)


async def containing(connection: AsyncConnection, find: str, *, limit: int) -> list[Segment]:
    """Segments whose name contains the text, in whatever case, ordered by dimension and value."""
    values = {"everybody": EVERYBODY_ID, "pattern": pattern_containing(find), "limit": limit}
    return [(row.dimension, row.value) for row in await connection.execute(_CONTAINING, values)]


def _parameters(segments: Collection[Segment]) -> dict[str, list[Any]]:
    return _SEGMENT.parameters({"dimension": dimension, "value": value} for dimension, value in segments)
