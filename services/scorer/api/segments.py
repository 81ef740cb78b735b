"""``/v1/segments``: all segments ever counted."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from services.scorer.api.parameters import DimensionQuery, require_dimension
from services.scorer.domain.segments import write_segment
from services.scorer.queries.segments import segment_page
from services.scorer.settings import ScorerSettings
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.paging import CursorQuery, read_cursor, write_cursor
from shared.web.parameters import known_parameters
from shared.web.problems import declared


class SegmentBody(BaseModel):
    segment: str
    dimension: str
    value: str


class SegmentsBody(BaseModel):
    items: list[SegmentBody]
    next_cursor: str | None


def routes(runtime: Runtime[ScorerSettings]) -> APIRouter:
    router = APIRouter(
        prefix="/v1/segments",
        tags=["scores"],
        dependencies=[Depends(require("scores:read")), Depends(known_parameters)],
        responses=declared(401, 403),
    )

    @router.get("")
    async def segments(
        dimension: DimensionQuery | None = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        cursor: CursorQuery = None,
    ) -> SegmentsBody:
        """All segments ever counted, by dimension and value."""
        after = read_cursor(cursor, str, str)
        async with runtime.read_only() as connection:
            if dimension is not None:
                await require_dimension(connection, dimension)
            page = await segment_page(connection, after=after, dimension=dimension, limit=limit)
        return SegmentsBody(
            items=[SegmentBody(segment=write_segment(one), dimension=one[0], value=one[1]) for one in page.entries],
            next_cursor=None if page.last is None else write_cursor(*page.last),
        )

    return router
