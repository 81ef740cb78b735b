"""Campaigns and segments by number: names are looked up once and then remembered, within bounds."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.scorer.domain.segments import Segment, flatten
from shared.contracts.types import SegmentValue

NO_CAMPAIGN = ""

_FIND_CAMPAIGNS = text("SELECT name, id FROM campaigns WHERE name = ANY(CAST(:names AS text[]))")
_ADD_CAMPAIGNS = text(
    """
    INSERT INTO campaigns (name)
    SELECT name FROM unnest(CAST(:names AS text[])) AS name ORDER BY name
    ON CONFLICT (name) DO NOTHING
    """
)
_FIND_SEGMENTS = text(
    """
    SELECT known.dimension, known.value, known.id
    FROM segments AS known
    JOIN unnest(CAST(:dimensions AS text[]), CAST(:values AS text[])) AS wanted (dimension, value)
      USING (dimension, value)
    """
)
_ADD_SEGMENTS = text(
    """
    INSERT INTO segments (dimension, value)
    SELECT dimension, value
    FROM unnest(CAST(:dimensions AS text[]), CAST(:values AS text[])) AS wanted (dimension, value)
    ORDER BY dimension, value
    ON CONFLICT (dimension, value) DO NOTHING
    """
)


async def find_campaigns(connection: AsyncConnection, names: Collection[str]) -> dict[str, int]:
    rows = await connection.execute(_FIND_CAMPAIGNS, {"names": list(names)})
    return {row.name: row.id for row in rows}


async def find_segments(connection: AsyncConnection, segments: Collection[Segment]) -> dict[Segment, int]:
    dimensions, values = zip(*segments, strict=True) if segments else ((), ())
    rows = await connection.execute(_FIND_SEGMENTS, {"dimensions": list(dimensions), "values": list(values)})
    return {(row.dimension, row.value): row.id for row in rows}


# A combination of segments as an answer carries it: the numbers it counts in, everybody among them, and the same as
# PostgreSQL writes an array.
Combination = tuple[tuple[int, ...], str]


class Names:
    """Numbers of names, kept in memory while they fit.

    New names are committed on a connection of their own before anybody counts under their number: a batch that is
    rolled back can then leave no number in memory that the database does not know, and two processes that meet the
    same new name do not wait for each other's batches. A name nobody counts under does no harm.
    """

    def __init__(self, engine: AsyncEngine, limit: int = 20_000) -> None:
        self._engine = engine
        self._limit = limit
        self._campaigns: dict[str, int] = {NO_CAMPAIGN: 0}
        self._segments: dict[Segment, int] = {}
        self._combinations: dict[tuple[Segment, ...], Combination] = {}

    async def campaigns(self, names: Sequence[str]) -> list[int]:
        """The number of each."""
        unknown = set(names) - self._campaigns.keys()
        if unknown:
            self._make_room(self._campaigns, {NO_CAMPAIGN: 0})
            unknown = set(names) - self._campaigns.keys()
            self._campaigns.update(await self._numbers_of_campaigns(unknown))
        return [self._campaigns[name] for name in names]

    async def combinations(self, carried: Sequence[dict[str, SegmentValue]]) -> list[Combination]:
        """The combination of each."""
        known = self._combinations
        identities = [_identity(segments) for segments in carried]
        missing = {identity for identity in identities if identity not in known}
        if len(known) + len(missing) > self._limit:
            known.clear()
            missing = set(identities)
        unknown = {segment for identity in missing for segment in identity if segment not in self._segments}
        if unknown:
            self._make_room(self._segments, {})
            unknown = {segment for identity in missing for segment in identity if segment not in self._segments}
            self._segments.update(await self._numbers_of_segments(unknown))
        for identity in missing:
            numbers = (0, *sorted({self._segments[segment] for segment in identity}))
            known[identity] = numbers, "{" + ",".join(map(str, numbers)) + "}"
        return [known[identity] for identity in identities]

    def _make_room(self, memory: dict[Any, int], always: dict[Any, int]) -> None:
        if len(memory) > self._limit:
            memory.clear()
            memory.update(always)

    async def _numbers_of_campaigns(self, names: set[str]) -> dict[str, int]:
        async with self._engine.begin() as connection:
            found = await find_campaigns(connection, names)
            missing = names - found.keys()
            if missing:
                await connection.execute(_ADD_CAMPAIGNS, {"names": list(missing)})
        if missing:
            async with self._engine.connect() as connection:
                found |= await find_campaigns(connection, missing)
        return found

    async def _numbers_of_segments(self, segments: set[Segment]) -> dict[Segment, int]:
        async with self._engine.begin() as connection:
            found = await find_segments(connection, segments)
            missing = list(segments - found.keys())
            if missing:
                dimensions, values = zip(*missing, strict=True)
                await connection.execute(_ADD_SEGMENTS, {"dimensions": list(dimensions), "values": list(values)})
        if missing:
            async with self._engine.connect() as connection:
                found |= await find_segments(connection, missing)
        return found


def _identity(segments: dict[str, SegmentValue]) -> tuple[Segment, ...]:
    """The segments one by one: the same for the same ones in the same order, and fit for a dictionary's key."""
    for value in segments.values():
        if not isinstance(value, str):
            return tuple(flatten(segments))
    return tuple(segments.items())  # type: ignore[arg-type]  # all values are texts
