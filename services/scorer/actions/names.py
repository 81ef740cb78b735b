"""The ids under which campaigns and segments are counted: looked up once, then cached in memory."""

import contextlib
from collections.abc import Sequence, Set
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from services.scorer.domain.answers import NO_CAMPAIGN_ID
from services.scorer.domain.segments import EVERYBODY_ID, Segment, flatten
from services.scorer.repository import names
from shared.contracts.types import SegmentValue
from shared.persistence.transaction import transaction

Name = TypeVar("Name")


class Names:
    """A cache of names' ids; of each kind, at most about twice ``limit`` are kept in memory.

    New names are committed on a separate connection before anything is counted under their id: a rolled-back batch
    then leaves no id in the cache that the database does not know, and two processes that find the same new name do
    not wait for each other's batches. An unused name is harmless.
    """

    def __init__(self, engine: AsyncEngine, limit: int = 20_000) -> None:
        self._engine = engine
        self._campaigns: _Memory[str] = _Memory(limit)
        self._segments: _Memory[Segment] = _Memory(limit)

    async def campaigns(self, carried: Sequence[str | None]) -> list[int]:
        """The id of each; None, for answers without a campaign, has an id too."""
        ids, unknown = self._campaigns.look_up({name for name in carried if name is not None})
        if unknown:
            ids.update(await self._ids_of_campaigns(unknown))
        return [NO_CAMPAIGN_ID if name is None else ids[name] for name in carried]

    async def segments(self, carried: Sequence[dict[str, SegmentValue]]) -> list[tuple[int, ...]]:
        """The segment ids each counts in, each id once: EVERYBODY_SEGMENT first."""
        with contextlib.suppress(KeyError):
            return _numbered(carried, self._segments.ids)
        ids, unknown = self._segments.look_up({segment for segments in carried for segment in flatten(segments)})
        if unknown:
            ids.update(await self._ids_of_segments(unknown))
        return _numbered(carried, ids)

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


class _Memory(Generic[Name]):
    """The ids of names. When it is full, those that were not looked up since it last was are forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.ids: dict[Name, int] = {}
        self._before: dict[Name, int] = {}

    def look_up(self, wanted: Set[Name]) -> tuple[dict[Name, int], set[Name]]:
        """Ids by name, and the wanted names that are not known: to be added there."""
        if len(self.ids) > self._limit:
            self._before, self.ids = self.ids, {}
        unknown = set()
        for name in wanted - self.ids.keys():
            if (known := self._before.get(name)) is None:
                unknown.add(name)
            else:
                self.ids[name] = known
        return self.ids, unknown


def _numbered(carried: Sequence[dict[str, SegmentValue]], ids: dict[Segment, int]) -> list[tuple[int, ...]]:
    """The ids of each. Raises KeyError when one is missing."""
    numbered = []
    for segments in carried:
        found = [EVERYBODY_ID]
        for segment in segments.items():
            dimension, value = segment
            if isinstance(value, str):
                found.append(ids[segment])  # type: ignore[index]  # a pair of texts
            else:
                found += dict.fromkeys([ids[dimension, one] for one in value])
        numbered.append(tuple(found))
    return numbered
