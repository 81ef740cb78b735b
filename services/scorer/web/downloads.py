"""``GET /numbers/….csv``: the numbers behind the charts, as a file for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.comparisons import Compared, ValuesPage
from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.segments import BadSegment
from services.scorer.domain.trends import TrendPoint
from services.scorer.queries.comparisons import comparison
from services.scorer.queries.segments import NoSuchDimension, check_dimension
from services.scorer.queries.trends import trend
from services.scorer.settings import ScorerSettings
from services.scorer.web import words
from services.scorer.web.charts import worth_drawing
from services.scorer.web.dashboard import StaffMayRead
from services.scorer.web.filters import Filters, GivenFilters
from services.scorer.web.parts import TREND, VALUES_COMPARED
from shared.nps import NetPromoterScore
from shared.runtime import Runtime
from shared.web.problems import INVALID_REQUEST, Problem

# Names come from customers' orders, and a spreadsheet must not take one for a formula (OWASP, "CSV Injection").
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_FIGURES = ("NPS", "From", "To", "Answers")


def routes(runtime: Runtime[ScorerSettings]) -> APIRouter:
    router = APIRouter(prefix="/numbers", include_in_schema=False)
    minimum = runtime.settings.minimum_answers

    @router.get("/trend.csv")
    async def trend_numbers(_caller: StaffMayRead, filters: GivenFilters) -> Response:
        step, points = TREND[filters.window]
        async with runtime.read_only() as connection:
            found = await trend(connection, _query(runtime, filters), step=step, points=points, minimum=minimum)
        return _file("trend", ("Up to", *_FIGURES), map(_of_point, reversed(worth_drawing(found))))

    @router.get("/segments.csv")
    async def segment_numbers(_caller: StaffMayRead, filters: GivenFilters) -> Response:
        """All the values that are compared, not only a page of them."""
        if not filters.by:
            raise Problem(422, INVALID_REQUEST, detail="by: which dimension's values?")
        page = ValuesPage(minimum=minimum, most=VALUES_COMPARED, start=0, limit=VALUES_COMPARED)
        async with runtime.read_only() as connection:
            await _require_dimension(connection, filters.by)
            found = await comparison(connection, _query(runtime, filters), page, dimension=filters.by)
        heading = _no_formula(filters.by.replace("_", " ").capitalize())
        return _file("segments", (heading, *_FIGURES, "Compared with the others"), map(_of_value, found.compared))

    return router


def _query(runtime: Runtime[ScorerSettings], filters: Filters) -> ScoreQuery:
    try:
        return ScoreQuery.read(
            window=filters.window,
            segments=filters.segments,
            campaign=filters.campaign,
            at=runtime.clock.now(),
            zone=runtime.settings.zone,
        )
    except BadSegment as error:
        raise Problem(422, INVALID_REQUEST, detail=str(error)) from error


async def _require_dimension(connection: AsyncConnection, dimension: str) -> None:
    try:
        await check_dimension(connection, dimension)
    except NoSuchDimension as error:
        raise Problem(422, INVALID_REQUEST, detail=f"by: {error}") from error


def _of_point(point: TrendPoint) -> list[str]:
    return [point.day.isoformat(), *_figures(point.score)]


def _of_value(one: Compared) -> list[str]:
    return [_no_formula(one.value), *_figures(one.score), words.differs(one.differs)]


def _no_formula(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULAS) else name


def _figures(score: NetPromoterScore) -> list[str]:
    """As the page shows them, but as programs write numbers."""
    return [figure.replace("−", "-").replace(",", "") for figure in words.figures(score)]


def _file(name: str, heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Response:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows([heading, *rows])
    return Response(
        written.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
