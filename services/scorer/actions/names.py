"""The numbers campaigns and segments are counted under: looked up once, then kept in memory within bounds."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.scorer.domain.answers import NO_CAMPAIGN
from services.scorer.domain.segments import EVERYBODY_ID, Segment, flatten
from services.scorer.repository import names
from shared.contracts.types import SegmentValue


class Names:
    """Numbers of names; at most some ``limit`` of each kind are kept in memory.

    New names are committed on a connection of their own before anything is counted under their number: a batch that is
    rolled back then leaves no number in memory that the database does not know, and two processes that meet the same
    new name do not wait for each other's batches. A name nothing is counted under does no harm.
    """

    def __init__(self, engine: AsyncEngine, limit: int = 20_000) -> None:
        self._engine = engine
        self._limit = limit
        self._campaigns: dict[str, int] = {NO_CAMPAIGN: 0}
        self._segments: dict[Segment, int] = {}
        self._combinations: dict[tuple[Segment, ...], tuple[int, ...]] = {}

    async def campaigns(self, carried: Sequence[str | None]) -> list[int]:
        """The number of each; None is an answer of no campaign, which has a number too."""
        wanted = [name or NO_CAMPAIGN for name in carried]
        unknown = set(wanted) - self._campaigns.keys()
        if unknown:
            self._make_room(self._campaigns, {NO_CAMPAIGN: 0})
            unknown = set(wanted) - self._campaigns.keys()
            self._campaigns.update(await self._ids_of_campaigns(unknown))
        return [self._campaigns[name] for name in wanted]

    async def segments(self, carried: Sequence[dict[str, SegmentValue]]) -> list[tuple[int, ...]]:
        """The numbers each counts in, everybody's first, the others ascending."""
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
            self._segments.update(await self._ids_of_segments(unknown))
        for identity in missing:
            known[identity] = (EVERYBODY_ID, *sorted({self._segments[segment] for segment in identity}))
        return [known[identity] for identity in identities]

    def _make_room(self, memory: dict[Any, int], always: dict[Any, int]) -> None:
        if len(memory) > self._limit:
            memory.clear()
            memory.update(always)

    async def _ids_of_campaigns(self, wanted: set[str]) -> dict[str, int]:
        async with self._engine.begin() as connection:
            found = await names.find_campaigns(connection, wanted)
            missing = wanted - found.keys()
            if missing:
                await names.add_campaigns(connection, missing)
        if missing:
            async with self._engine.connect() as connection:
                found |= await names.find_campaigns(connection, missing)
        return found

    async def _ids_of_segments(self, wanted: set[Segment]) -> dict[Segment, int]:
        async with self._engine.begin() as connection:
            found = await names.find_segments(connection, wanted)
            missing = wanted - found.keys()
            if missing:
                await names.add_segments(connection, missing)
        if missing:
            async with self._engine.connect() as connection:
                found |= await names.find_segments(connection, missing)
        return found


def _identity(segments: dict[str, SegmentValue]) -> tuple[Segment, ...]:
    """The segments one by one: the same for the same ones in the same order, and hashable."""
    for value in segments.values():
        if not isinstance(value, str):
            return tuple(flatten(segments))
    return tuple(segments.items())  # type: ignore[arg-type]  # all values are texts
