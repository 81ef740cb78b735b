"""``/v1/nps``: the score of a window, its trend, and the values of a dimension compared. Every score comes with its
interval and n."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from services.scorer.api.parameters import (
    DimensionQuery,
    QueryBody,
    query_fields,
    require_dimension,
    score_query,
)
from services.scorer.domain.comparisons import ValuesPage
from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.trends import Step
from services.scorer.queries.comparisons import comparison
from services.scorer.queries.scores import score_of
from services.scorer.queries.trends import trend
from services.scorer.settings import ScorerSettings
from shared.contracts.scores import Window
from shared.nps import NetPromoterScore
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.paging import CursorQuery, invalid_cursor, read_cursor, write_cursor
from shared.web.parameters import known_parameters
from shared.web.problems import declared


class ScoreBody(BaseModel):
    """Points from −100 to 100 with a 95 % interval; ``nps`` is null without answers. ``held_back`` marks a score based
    on too few answers to be meaningful."""

    nps: float | None
    low: float
    high: float
    n: int
    promoters: int
    passives: int
    detractors: int
    held_back: bool


class NpsBody(ScoreBody, QueryBody):
    """``change`` is the difference to the preceding window of the same length, in points; null if there is none."""

    change: float | None
    change_significant: bool | None
    delivered: int | None
    response_rate: float | None


class TrendPointBody(ScoreBody):
    """The window that ends on ``day``."""

    day: date


class TrendBody(QueryBody):
    step: Step
    points: list[TrendPointBody]


class ComparedBody(ScoreBody):
    """``differs`` is whether the difference to all other values together is statistically significant, corrected for
    the number of values compared; null where that cannot be said."""

    segment: str
    value: str
    differs: bool | None


class ComparisonBody(BaseModel):
    """A page of values; ``total`` is how many there are on all pages."""

    dimension: str
    window: Window
    within: str | list[str]
    campaign: str
    at: datetime
    items: list[ComparedBody]
    total: int
    next_cursor: str | None


def routes(runtime: Runtime[ScorerSettings]) -> APIRouter:
    router = APIRouter(
        prefix="/v1/nps",
        tags=["scores"],
        dependencies=[Depends(require("scores:read")), Depends(known_parameters)],
        responses=declared(401, 403),
    )
    minimum = runtime.settings.minimum_answers
    asked = Depends(score_query(runtime))

    @router.get("")
    async def get_nps(query: Annotated[ScoreQuery, asked]) -> NpsBody:
        """The score of one window."""
        async with runtime.read_only() as connection:
            found = await score_of(connection, query, minimum=minimum)
        return NpsBody(
            **_score_fields(found.score, held_back=found.held_back),
            **query_fields(query),
            change=found.change.points if found.change else None,
            change_significant=found.change.significant if found.change else None,
            delivered=found.delivered,
            response_rate=found.response_rate,
        )

    @router.get("/trend")
    async def nps_trend(
        query: Annotated[ScoreQuery, asked], step: Step = "day", points: Annotated[int, Query(ge=1, le=730)] = 90
    ) -> TrendBody:
        """The window's score at the end of each of the last days or weeks, oldest first."""
        async with runtime.read_only() as connection:
            found = await trend(connection, query, step=step, points=points, minimum=minimum)
        return TrendBody(
            **query_fields(query),
            step=step,
            points=[
                TrendPointBody(**_score_fields(point.score, held_back=point.held_back), day=point.day)
                for point in found
            ],
        )

    @router.get("/compare")
    async def compare(
        query: Annotated[ScoreQuery, asked],
        dimension: DimensionQuery,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: CursorQuery = None,
    ) -> ComparisonBody:
        """The values of a dimension compared, best score first, those held back last."""
        (start,) = read_cursor(cursor, int) or (0,)
        if start < 0:
            raise invalid_cursor()
        async with runtime.read_only() as connection:
            await require_dimension(connection, dimension)
            page = ValuesPage(minimum=minimum, most=None, start=start, limit=limit)
            found = await comparison(connection, query, page, dimension=dimension)
        end = start + limit
        repeated = query_fields(query)
        return ComparisonBody(
            dimension=dimension,
            within=repeated.pop("segment"),
            **repeated,
            items=[
                ComparedBody(
                    **_score_fields(one.score, held_back=one.held_back),
                    segment=one.segment,
                    value=one.value,
                    differs=one.differs,
                )
                for one in found.compared
            ],
            total=found.total,
            next_cursor=write_cursor(end) if end < found.total else None,
        )

    return router


def _score_fields(score: NetPromoterScore, *, held_back: bool) -> dict[str, Any]:
    """The fields of ScoreBody."""
    counts = score.counts
    return {
        "nps": score.nps,
        "low": score.low,
        "high": score.high,
        "n": counts.n,
        "promoters": counts.promoters,
        "passives": counts.passives,
        "detractors": counts.detractors,
        "held_back": held_back,
    }
