"""``GET /``: how are we doing, is it changing, where, and what do customers say?"""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from services.scorer.domain.comparisons import NOTHING_COMPARED, ValuesPage
from services.scorer.domain.score_query import MAX_SEGMENTS, ScoreQuery
from services.scorer.domain.segments import MAX_DIMENSION, BadSegment, write_segment
from services.scorer.domain.trends import Step
from services.scorer.queries.comments import newest_comments
from services.scorer.queries.comparisons import comparison
from services.scorer.queries.scores import last_change, score_of
from services.scorer.queries.segments import NoSuchDimension, check_dimension, choices
from services.scorer.queries.trends import trend
from services.scorer.settings import ScorerSettings
from services.scorer.web import chart_library, words
from services.scorer.web.charts import best_and_worst, chart_data, worth_drawing
from services.scorer.web.filters import Filters
from shared.api_keys import Caller
from shared.contracts.identity import case_id
from shared.contracts.scores import WINDOWS, Window
from shared.contracts.types import MAX_IDENTIFIER
from shared.nps import group_of
from shared.runtime import Runtime
from shared.web.auth import staff
from shared.web.pages import templates

_SERVICE = Path(__file__).parents[1]
_COMMENTS_SHOWN = 20
_VALUES_SHOWN = 500
"""Of a dimension: those with the most answers."""
_TREND: dict[Window, tuple[Step, int]] = {
    "7d": ("day", 60),
    "30d": ("day", 90),
    "90d": ("day", 180),
    "365d": ("week", 104),
    "all": ("week", 104),
}
_TRIED_FIRST = ("country", "region", "state", "category", "tier")


def routes(runtime: Runtime[ScorerSettings]) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    pages = templates(_SERVICE)
    inbox = runtime.settings.inbox_url.rstrip("/")

    def case_address(answer: str) -> str:
        """The case of an answer, in the inbox."""
        return f"{inbox}/cases/{case_id(answer)}"

    pages.env.globals.update(
        case_address=case_address,
        words=words,
        group_of=group_of,
        chart_library=chart_library.address(),
        map_styles=chart_library.map_styles(),
    )

    @router.get("/")
    async def page(
        request: Request,
        _caller: Annotated[Caller, Depends(staff("scores:read"))],
        window: Window = "30d",
        campaign: Annotated[str | None, Query(max_length=MAX_IDENTIFIER)] = None,
        segment: Annotated[list[str], Query(max_length=MAX_SEGMENTS)] = [],  # noqa: B006  # FastAPI copies defaults
        by: Annotated[str | None, Query(max_length=MAX_DIMENSION)] = None,
    ) -> HTMLResponse:
        filters = Filters(
            window=window,
            campaign=campaign or None,
            segments=tuple(dict.fromkeys(one for one in segment if one)),
            by=by or None,
        )
        context = {"brand": runtime.brand, "settings": runtime.settings, "filters": filters}
        try:
            context |= await _gather(runtime, filters)
        except BadSegment as error:
            return pages.TemplateResponse(request, "trouble.html", {**context, "trouble": str(error)}, 422)
        except NoSuchDimension as error:
            return pages.TemplateResponse(request, "trouble.html", {**context, "trouble": f"by: {error}"}, 422)
        except (SQLAlchemyError, OSError):
            return pages.TemplateResponse(request, "trouble.html", {**context, "trouble": words.DATABASE_AWAY}, 503)
        return pages.TemplateResponse(request, "dashboard.html", context)

    return router


async def _gather(runtime: Runtime[ScorerSettings], filters: Filters) -> dict[str, Any]:
    """The data of the page. Raises BadSegment and NoSuchDimension."""
    minimum = runtime.settings.minimum_answers
    query = ScoreQuery.read(
        window=filters.window,
        segments=filters.segments,
        campaign=filters.campaign,
        at=runtime.clock.now(),
        zone=runtime.settings.zone,
    )
    step, points = _TREND[filters.window]
    async with runtime.read_only() as connection:
        change = await last_change(connection)
        current = await score_of(connection, query, minimum=minimum)
        over_time = await trend(connection, query, step=step, points=points, minimum=minimum)
        offered = await choices(connection)
        if filters.by:
            await check_dimension(connection, filters.by)
        by = filters.by or _first_dimension(offered.dimensions)
        page = ValuesPage(minimum=minimum, most=_VALUES_SHOWN, start=0, limit=_VALUES_SHOWN)
        compared = await comparison(connection, query, page, dimension=by) if by else NOTHING_COMPARED
        comments = await newest_comments(connection, query, limit=_COMMENTS_SHOWN)
    over_time = worth_drawing(over_time)
    drawn = best_and_worst(compared.compared)
    return {
        "windows": WINDOWS,
        "current": current,
        "trend": over_time,
        "step": step,
        "dimensions": offered.dimensions,
        "by": by,
        "compared": compared.compared,
        "values": compared.total,
        "campaigns": offered.campaigns,
        "suggested": [write_segment(segment) for segment in offered.segments],
        "comments": comments,
        "zone": runtime.settings.zone,
        "period": words.period(filters.window, query.last_day),
        "day_starts": words.day_starts(runtime.settings.timezone),
        "minimum": minimum,
        "drawn": drawn,
        "charts": chart_data(over_time, drawn, current.score.nps),
        "stream": filters.stream_address(change),
    }


def _first_dimension(dimensions: list[str]) -> str | None:
    return next((name for name in _TRIED_FIRST if name in dimensions), dimensions[0] if dimensions else None)
