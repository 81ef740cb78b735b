"""The parameters by which requests select scores, and how responses repeat them."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.score_query import MAX_SEGMENTS, ScoreQuery
from services.scorer.domain.segments import MAX_DIMENSION, BadSegment
from services.scorer.domain.times import BadTime, read_end
from services.scorer.queries.segments import NoSuchDimension, check_dimension
from services.scorer.settings import ScorerSettings
from shared.contracts.scores import ANY_CAMPAIGN, Window
from shared.contracts.types import MAX_IDENTIFIER
from shared.runtime import Runtime
from shared.web.problems import INVALID_REQUEST, Problem

SegmentsQuery = Annotated[
    list[str],
    Query(alias="segment", max_length=MAX_SEGMENTS, description="`dimension:value`; when repeated, all must apply."),
]
CampaignQuery = Annotated[
    str | None, Query(max_length=MAX_IDENTIFIER, description="One campaign; all together by default.")
]
DimensionQuery = Annotated[str, Query(min_length=1, max_length=MAX_DIMENSION)]
WindowQuery = Annotated[Window, Query(description="Days up to and including the day of `at`.")]
AtQuery = Annotated[
    str | None,
    Query(
        max_length=40,
        description="The end of the window; the whole day counts. A time with a UTC offset, or a day of the shop's "
        "time zone, such as 2026-11-01. Default: now.",
        examples=["2026-11-01", "2026-11-01T09:30:00+01:00"],
    ),
]


class QueryBody(BaseModel):
    """The query, repeated; ``campaign`` is ``*`` for all together."""

    window: Window
    segment: str | list[str]
    campaign: str
    at: datetime


def query_fields(query: ScoreQuery) -> dict[str, Any]:
    """The fields of QueryBody."""
    return {
        "window": query.window,
        "segment": query.label,
        "campaign": query.campaign or ANY_CAMPAIGN,
        "at": query.at,
    }


def score_query(runtime: Runtime[ScorerSettings]) -> Callable[..., ScoreQuery]:
    """A dependency that builds the query from a request's parameters."""

    def query_of(
        window: WindowQuery = "30d",
        segments: SegmentsQuery = [],  # noqa: B006  # FastAPI copies defaults
        campaign: CampaignQuery = None,
        at: AtQuery = None,
    ) -> ScoreQuery:
        try:
            return ScoreQuery.read(
                window=window,
                segments=segments,
                campaign=campaign,
                at=runtime.clock.now() if at is None else read_end(at, runtime.settings.zone),
                zone=runtime.settings.zone,
            )
        except BadSegment as error:
            raise bad_segment(error) from error
        except BadTime as error:
            raise Problem(422, INVALID_REQUEST, detail=f"at: {error}") from error

    return query_of


def bad_segment(error: BadSegment) -> Problem:
    return Problem(422, "Invalid segment", detail=str(error))


async def require_dimension(connection: AsyncConnection, dimension: str) -> None:
    """Raises a 422 for a dimension that does not exist."""
    try:
        await check_dimension(connection, dimension)
    except NoSuchDimension as error:
        raise Problem(422, INVALID_REQUEST, detail=f"dimension: {error}") from error
