"""``GET /``: how are we doing, is it changing, where, and what do customers say? ``GET /parts``: what of it changed."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from services.scorer.domain.segments import BadSegment, write_segment
from services.scorer.queries.segments import NoSuchDimension, suggestions
from services.scorer.settings import ScorerSettings
from services.scorer.web import words
from services.scorer.web.filters import MAX_FIND, GivenFilters
from services.scorer.web.parts import DashboardParts
from shared.api_keys import Caller
from shared.runtime import Runtime
from shared.web.auth import staff
from shared.web.pages import Pages

_MOST_TAGS = 20
StaffMayRead = Annotated[Caller, Depends(staff("scores:read"))]


def routes(runtime: Runtime[ScorerSettings], pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    parts = DashboardParts(runtime, pages)

    @router.get("/")
    async def page(request: Request, _caller: StaffMayRead, filters: GivenFilters) -> Response:
        context = {"brand": runtime.brand, "settings": runtime.settings, "filters": filters}
        try:
            shown = await parts.of(filters)
        except BadSegment as error:
            return await pages.respond(request, "trouble.html", {**context, "trouble": str(error)}, 422)
        except NoSuchDimension as error:
            return await pages.respond(request, "trouble.html", {**context, "trouble": f"by: {error}"}, 422)
        except (SQLAlchemyError, OSError):
            return await pages.respond(request, "trouble.html", {**context, "trouble": words.DATABASE_AWAY}, 503)
        return await pages.respond(request, "dashboard.html", {**context, "shown": shown, **shown.frame})

    @router.get("/parts")
    async def changed(
        _caller: StaffMayRead,
        filters: GivenFilters,
        have: Annotated[list[str], Query(max_length=_MOST_TAGS)] = [],  # noqa: B006  # FastAPI copies defaults
    ) -> Response:
        """The live parts of the page; the text only of those whose tags are not among ``have``."""
        shown = await parts.of(filters)
        known = set(have)
        body = {
            "title": shown.title,
            "stream": shown.stream,
            "tags": {name: part.tag for name, part in shown.parts.items()},
            "texts": {name: str(part.text) for name, part in shown.parts.items() if part.tag not in known},
        }
        return Response(orjson.dumps(body), media_type="application/json")

    @router.get("/parts/segments")
    async def suggested(_caller: StaffMayRead, find: Annotated[str, Query(max_length=MAX_FIND)]) -> list[str]:
        """Segments to filter by whose name contains what was typed."""
        async with runtime.read_only() as connection:
            return [write_segment(segment) for segment in await suggestions(connection, find.replace("\0", ""))]

    return router
