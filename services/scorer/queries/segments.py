"""The available choices: segments (paged), dimensions and campaigns."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.segments import Segment
from services.scorer.repository import names
from shared.persistence.page import Page

_DIMENSIONS = 50
_CAMPAIGNS = 50
_SUGGESTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options of the page's filters: the first of each in alphabetical order. ``example`` is one of the segments,
    None if there are none."""

    dimensions: list[str]
    campaigns: list[str]
    example: Segment | None


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
    found = await names.first(connection, dimensions=_DIMENSIONS, campaigns=_CAMPAIGNS)
    return Choices(dimensions=found.dimensions, campaigns=found.campaigns, example=found.segment)


async def suggestions(connection: AsyncConnection, find: str) -> list[Segment]:
    """Some segments whose name contains the text, in whatever case."""
    return await names.containing(connection, find, limit=_SUGGESTED)


async def check_dimension(connection: AsyncConnection, dimension: str) -> None:
    """Raises NoSuchDimension for one by which nothing was ever counted, if anything was."""
    if await names.segments(connection, after=None, dimension=dimension, limit=1):
        return
    if known := (await choices(connection)).dimensions:
        raise NoSuchDimension(dimension, known)
