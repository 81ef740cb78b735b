"""The ids under which campaigns and segments are counted: looked up once, then cached in memory."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.scorer.domain.answers import NO_CAMPAIGN, NO_CAMPAIGN_ID
from services.scorer.domain.segments import EVERYBODY_ID, Segment, flatten
from services.scorer.repository import names
from shared.contracts.types import SegmentValue
from shared.persistence.transaction import transaction


class Names:
    """A cache of names' ids; about ``limit`` of each kind are kept in memory.

    New names are committed on a separate connection before anything is counted under their id: a rolled-back batch
    then leaves no id in the cache that the database does not know, and two processes that find the same new name do
    not wait for each other's batches. An unused name is harmless.
    """

    def __init__(self, engine: AsyncEngine, limit: int = 20_000) -> None:
        self._engine = engine
        self._limit = limit
        self._campaigns: dict[str, int] = {NO_CAMPAIGN: NO_CAMPAIGN_ID}
        self._segments: dict[Segment, int] = {}
        self._combinations: dict[tuple[Segment, ...], tuple[int, ...]] = {}

    async def campaigns(self, carried: Sequence[str | None]) -> list[int]:
        """The id of each; None, for answers without a campaign, has an id too."""
        wanted = [name or NO_CAMPAIGN for name in carried]
        unknown = set(wanted) - self._campaigns.keys()
        if unknown:
            self._make_room(self._campaigns, always={NO_CAMPAIGN: NO_CAMPAIGN_ID})
            unknown = set(wanted) - self._campaigns.keys()
            self._campaigns.update(await self._ids_of_campaigns(unknown))
        return [self._campaigns[name] for name in wanted]

    async def segments(self, carried: Sequence[dict[str, SegmentValue]]) -> list[tuple[int, ...]]:
        """The segment ids each counts in: EVERYBODY_SEGMENT first, the others ascending."""
        known = self._combinations
        identities = [_identity(segments) for segments in carried]
        missing = {identity for identity in identities if identity not in known}
        if len(known) + len(missing) > self._limit:
            known.clear()
            missing = set(identities)
        unknown = {segment for identity in missing for segment in identity if segment not in self._segments}
        if unknown:
            self._make_room(self._segments, always={})
            unknown = {segment for identity in missing for segment in identity if segment not in self._segments}
            self._segments.update(await self._ids_of_segments(unknown))
        for identity in missing:
            known[identity] = (EVERYBODY_ID, *sorted({self._segments[segment] for segment in identity}))
        return [known[identity] for identity in identities]

    def _make_room(self, memory: dict[Any, int], *, always: dict[Any, int]) -> None:
        if len(memory) > self._limit:
            memory.clear()
            memory.update(always)

    async def _ids_of_campaigns(self, wanted: set[str]) -> dict[str, int]:
        async with transaction(self._engine) as connection:
            found = await names.find_campaigns(connection, wanted)
            missing = wanted - found.keys()
            if missing:
                await names.add_campaigns(connection, missing)
        if missing:
            async with self._engine.connect() as connection:
                found |= await names.find_campaigns(connection, missing)
        return found

    async def _ids_of_segments(self, wanted: set[Segment]) -> dict[Segment, int]:
        async with transaction(self._engine) as connection:
            found = await names.find_segments(connection, wanted)
            missing = wanted - found.keys()
            if missing:
                await names.add_segments(connection, missing)
        if missing:
            async with self._engine.connect() as connection:
                found |= await names.find_segments(connection, missing)
        return found


def _identity(segments: dict[str, SegmentValue]) -> tuple[Segment, ...]:
    """The segments, flattened: hashable, and equal for equal segments in the same order."""
    for value in segments.values():
        if not isinstance(value, str):
            return tuple(flatten(segments))
    return tuple(segments.items())  # type: ignore[arg-type]  # all values are texts
