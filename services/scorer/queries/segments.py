"""The available choices: segments (paged), dimensions and campaigns."""

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


async def dimensions_for(connection: AsyncConnection, wanted: str) -> list[str]:
    """The dimensions there are, if ``wanted`` is none of them; else nothing."""
    if await names.segments(connection, after=None, dimension=wanted, limit=1):
        return []
    return await names.dimensions(connection, limit=_DIMENSIONS)
