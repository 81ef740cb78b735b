"""The available choices: segments (paged), dimensions and campaigns."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.segments import Segment
from services.scorer.repository import names
from shared.persistence.page import Page

_DIMENSIONS = 50
_CAMPAIGNS = 50
_SUGGESTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options of the page's filters: the first of each in alphabetical order."""

    dimensions: list[str]
    campaigns: list[str]
    segments: list[Segment]


class NoSuchDimension(LookupError):
    """Nothing was ever counted by this dimension."""

    def __init__(self, dimension: str, known: Sequence[str]) -> None:
        super().__init__(f"is {dimension!r}, by which nothing was counted; there are {', '.join(known)}")


async def segment_page(
    connection: AsyncConnection, *, after: Segment | None, dimension: str | None, limit: int
) -> Page[Segment]:
    """All segments ever counted, ordered by dimension and value, those after ``after``."""
    found = await names.segments(connection, after=after, dimension=dimension, limit=Page.rows_to_read(limit))
    return Page.of(found, limit)


async def choices(connection: AsyncConnection) -> Choices:
    return Choices(
        dimensions=await names.dimensions(connection, limit=_DIMENSIONS),
        campaigns=await names.campaigns(connection, limit=_CAMPAIGNS),
        segments=await names.segments(connection, after=None, dimension=None, limit=_SUGGESTED),
    )


async def check_dimension(connection: AsyncConnection, dimension: str) -> None:
    """Raises NoSuchDimension for one by which nothing was ever counted, if anything was."""
    if await names.segments(connection, after=None, dimension=dimension, limit=1):
        return
    if known := await names.dimensions(connection, limit=_DIMENSIONS):
        raise NoSuchDimension(dimension, known)
