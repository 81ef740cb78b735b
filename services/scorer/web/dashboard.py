"""``GET /``: gathers what the page shows, and serves the chart library from its own package."""

import asyncio
import gzip
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from services.scorer.domain.segments import BadSegment, escape
from services.scorer.domain.windows import window_days
from services.scorer.queries.scores import Compared, Figures, Question, Step, TrendPoint, selection_of
from services.scorer.repository import comments, reading
from services.scorer.repository import scores as publication
from services.scorer.settings import ScorerSettings
from services.scorer.web import words
from shared.contracts.scores import ANY_CAMPAIGN, EVERYBODY, WINDOWS, Window
from shared.nps import group_of
from shared.runtime import Runtime
from shared.web.auth import Caller, staff
from shared.web.pages import templates

SERVICE = Path(__file__).parents[1]
SEGMENTS_DRAWN = 20
COMMENTS_SHOWN = 20
_TREND: dict[Window, tuple[Step, int]] = {
    "7d": ("day", 60),
    "30d": ("day", 90),
    "90d": ("day", 180),
    "365d": ("week", 104),
    "all": ("week", 104),
}
_TRIED_FIRST = ("country", "region", "state", "category", "tier")


@dataclass(frozen=True, slots=True)
class View:
    """What the address says: the filters, and by which dimension segments are compared."""

    window: Window
    campaign: str | None
    segments: tuple[str, ...]
    by: str | None

    def address(self, **changed: Any) -> str:
        """The dashboard's address with some of it changed."""
        values = {"window": self.window, "campaign": self.campaign, "segment": self.segments, "by": self.by, **changed}
        pairs = [("segment", one) for one in values.pop("segment")]
        pairs += [(name, value) for name, value in values.items() if value]
        return "/?" + urlencode(sorted(pairs), quote_via=quote)

    def without(self, segment: str) -> str:
        return self.address(segment=tuple(one for one in self.segments if one != segment))

    def within(self, segment: str) -> str:
        return self.address(segment=(*self.segments, segment) if segment not in self.segments else self.segments)


def add_dashboard(app: FastAPI, runtime: Runtime[ScorerSettings], figures: Figures) -> None:
    pages = templates(SERVICE)
    pages.env.globals.update(words=words, group_of=group_of, chart_library=_library_address(), map_styles=_map_styles())
    dashboard = Dashboard(runtime, figures)

    @app.get("/", include_in_schema=False)
    async def page(
        request: Request,
        _caller: Annotated[Caller, Depends(staff("scores:read"))],
        window: Window = "30d",
        campaign: Annotated[str | None, Query(max_length=200)] = None,
        segment: Annotated[list[str], Query(max_length=10)] = [],  # noqa: B006  # FastAPI copies defaults
        by: Annotated[str | None, Query(max_length=300)] = None,
    ) -> HTMLResponse:
        view = View(window, campaign or None, tuple(dict.fromkeys(one for one in segment if one)), by or None)
        context = {"brand": runtime.brand, "settings": runtime.settings, "view": view, "trouble": None}
        try:
            return pages.TemplateResponse(request, "dashboard.html", {**context, **await dashboard.gather(view)})
        except BadSegment as error:
            return pages.TemplateResponse(request, "trouble.html", {**context, "trouble": str(error)}, 422)
        except (SQLAlchemyError, OSError):
            trouble = "The database does not answer at the moment. Nothing is lost; try again shortly."
            return pages.TemplateResponse(request, "trouble.html", {**context, "trouble": trouble}, 503)

    @app.get(_library_address(), include_in_schema=False)
    async def library(request: Request) -> Response:
        """The chart library, which its package brings along; its address changes with its version."""
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            content = await asyncio.to_thread(_library_compressed)
            headers["Content-Encoding"] = "gzip"
        else:
            content = await asyncio.to_thread(_library_file().read_bytes)
        return Response(content, media_type="text/javascript", headers=headers)


class Dashboard:
    """Everything on the page, for one view."""

    def __init__(self, runtime: Runtime[ScorerSettings], figures: Figures) -> None:
        self._runtime = runtime
        self._figures = figures

    async def gather(self, view: View) -> dict[str, Any]:
        """The template's context. Raises BadSegment."""
        now = self._runtime.clock.now()
        question = Question.read(view.window, view.segments, view.campaign, now)
        end = self._figures.last_day(question)
        step, points = _TREND[view.window]
        async with self._runtime.read_only() as connection:
            change = await publication.last_change(connection)
            figure = await self._figures.figure(connection, question)
            trend = await self._figures.trend(connection, question, step, points)
            dimensions = await reading.dimensions(connection)
            by = view.by if view.by in dimensions else _first_dimension(dimensions)
            compared = await self._figures.comparison(connection, by, question) if by else []
            campaigns = await reading.campaigns(connection)
            suggested = await reading.segments_after(connection, ("", ""), None, 200)
            selection = await selection_of(connection, question)
            span = window_days(view.window, end)
            said: list[comments.Comment] = []
            if selection is not None:
                said = await comments.newest(
                    connection, selection.segment_ids, selection.campaign_id, span.after, span.end, COMMENTS_SHOWN
                )
        trend = _worth_drawing(trend)
        drawn = best_and_worst(compared)
        return {
            "windows": WINDOWS,
            "figure": figure,
            "trend": trend,
            "step": step,
            "dimensions": dimensions,
            "by": by,
            "compared": compared,
            "campaigns": campaigns,
            "suggested": [f"{escape(dimension)}:{value}" for dimension, value in suggested],
            "comments": said,
            "zone": self._runtime.settings.zone,
            "period": words.period(view.window, end),
            "days_of": f"Days begin at midnight, {self._runtime.settings.timezone}",
            "minimum": self._runtime.settings.minimum_answers,
            "drawn": drawn,
            "charts": {
                "trend": _trend_data(trend),
                "segments": _segments_data(drawn),
                "overall": figure.score.nps,
            },
            "stream": _stream_address(view, change),
        }


def _first_dimension(dimensions: list[str]) -> str | None:
    return next((name for name in _TRIED_FIRST if name in dimensions), dimensions[0] if dimensions else None)


def _worth_drawing(trend: list[TrendPoint]) -> list[TrendPoint]:
    """Without the beginning that has too few answers: its intervals would flatten all that follows."""
    enough = [at for at, point in enumerate(trend) if not point.held_back]
    answered = [at for at, point in enumerate(trend) if point.score.nps is not None]
    return trend[(enough or answered or [0])[0] :]


def best_and_worst(compared: list[Compared]) -> list[Compared]:
    """Both ends of a long list, for a chart one can take in; those with too few answers only where there is room."""
    enough = [one for one in compared if not one.held_back]
    if len(enough) <= SEGMENTS_DRAWN:
        return compared[:SEGMENTS_DRAWN]
    half = SEGMENTS_DRAWN // 2
    return enough[:half] + enough[-half:]


def _trend_data(trend: list[TrendPoint]) -> list[dict[str, Any]]:
    return [
        {
            "day": point.day.isoformat(),
            "nps": point.score.nps,
            "low": point.score.low if point.score.nps is not None else None,
            "high": point.score.high if point.score.nps is not None else None,
            "n": point.score.counts.n,
        }
        for point in trend
    ]


def _segments_data(compared: list[Compared]) -> list[dict[str, Any]]:
    return [
        {
            "value": one.value,
            "nps": one.score.nps,
            "low": one.score.low,
            "high": one.score.high,
            "n": one.score.counts.n,
            "held_back": one.held_back,
            "differs": one.differs,
        }
        for one in compared
    ]


def _stream_address(view: View, change: int) -> str:
    """The updates that concern this view: of its one segment, or of everybody, whose score moves with every answer."""
    segment = view.segments[0] if len(view.segments) == 1 else EVERYBODY
    asked = {"window": view.window, "campaign": view.campaign or ANY_CAMPAIGN, "segment": segment, "after": change}
    return "/v1/stream?" + urlencode(asked, quote_via=quote)


def _library_file() -> Path:
    # Found without importing the package, which would load half of the scientific Python there is.
    package = importlib.util.find_spec("plotly")
    if package is None or package.origin is None:
        raise RuntimeError("the package plotly is not installed; it brings the dashboard's chart library")
    return Path(package.origin).parent / "package_data" / "plotly.min.js"


def _library_address() -> str:
    return f"/assets/plotly-{importlib.metadata.version('plotly')}.min.js"


def _map_styles() -> str:
    """The id of the element that the library takes for the styles of its maps. Where there is none it adds them itself,
    which the page's policy does not allow; these pages have no maps."""
    found = re.search(rb'getElementById\("([0-9a-f]{64})"\)', _library_file().read_bytes())
    return found.group(1).decode() if found else ""


@cache
def _library_compressed() -> bytes:
    return gzip.compress(_library_file().read_bytes(), 6, mtime=0)
