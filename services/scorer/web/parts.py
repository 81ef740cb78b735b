"""The parts of the dashboard that change with answers: what they show is read once for all who ask at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from markupsafe import Markup

from services.scorer.domain.comments import Comment
from services.scorer.domain.comparisons import NOTHING_COMPARED, Compared, Comparison, ValuesPage
from services.scorer.domain.score_query import ScoreQuery
from services.scorer.domain.scores import WindowScore
from services.scorer.domain.segments import write_segment
from services.scorer.domain.trends import Step, TrendPoint
from services.scorer.queries.comments import newest_comments
from services.scorer.queries.comparisons import comparison_within
from services.scorer.queries.scores import last_change
from services.scorer.queries.segments import Choices, check_dimension, choices
from services.scorer.queries.selections import selection_of
from services.scorer.queries.trends import score_and_trend
from services.scorer.settings import ScorerSettings
from services.scorer.web import charts, words
from services.scorer.web.filters import MAX_FIND, Filters
from shared.contracts.identity import case_id
from shared.contracts.scores import WINDOWS, Window
from shared.nps import group_of
from shared.runtime import Runtime
from shared.web.pages import Pages
from shared.web.together import Together

VALUES_COMPARED = 500
"""Of a dimension: those with the most answers."""
VALUES_LISTED = 50
"""On a page of the list."""
TREND: Mapping[Window, tuple[Step, int]] = {
    "7d": ("day", 60),
    "30d": ("day", 90),
    "90d": ("day", 180),
    "365d": ("week", 104),
    "all": ("week", 104),
}
_COMMENTS_SHOWN = 20
_TRIED_FIRST = ("country", "region", "state", "category", "tier")


@dataclass(frozen=True, slots=True)
class Part:
    """``tag`` changes with the text."""

    text: Markup
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page shows: ``parts`` by the id of their elements, the page's ``title``, the address of the ``stream``
    to follow from there, and what the ``frame`` around the parts needs."""

    parts: Mapping[str, Part]
    title: str
    stream: str
    frame: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    change: int
    query: ScoreQuery
    current: WindowScore
    trend: list[TrendPoint]
    offered: Choices
    by: str | None
    compared: Comparison
    comments: list[Comment]


class DashboardParts:
    def __init__(self, runtime: Runtime[ScorerSettings], pages: Pages) -> None:
        self._runtime = runtime
        self._pages = pages
        self._together = Together[Filters, Shown]()
        self._inbox = runtime.settings.inbox_url.rstrip("/")
        self._zone = runtime.settings.zone
        pages.env.globals.update(words=words, charts=charts)

    async def of(self, filters: Filters) -> Shown:
        """Raises BadSegment and NoSuchDimension, and the database's errors."""
        return await self._together.get(filters, lambda: self._show(filters))

    async def _show(self, filters: Filters) -> Shown:
        read = await self._read(filters)
        zone = self._zone
        trend = charts.worth_drawing(read.trend)
        answered = read.current.score.counts.n > 0 or any(point.score.counts.n for point in trend)
        step, _ = TREND[filters.window]
        context = {
            "filters": filters,
            "current": read.current,
            "step": step,
            "trend_rows": [(point.day.isoformat(), *words.figures(point.score)) for point in reversed(trend)],
            "segment_rows": _rows(filters, read.compared.compared),
            "by": read.by,
            "compared": read.compared,
            "listed_to": min(filters.page * VALUES_LISTED, read.compared.listed),
            "listed_from": (filters.page - 1) * VALUES_LISTED + 1,
            "pages": -(-read.compared.listed // VALUES_LISTED),
            "comments": [self._comment_row(comment) for comment in read.comments],
            "zone": zone,
            "period": words.period(filters.window, read.query.last_day),
            "day_starts": words.day_starts(zone.key),
            "minimum": self._runtime.settings.minimum_answers,
        }
        wanted = {"comments-title": "comments_title.html", "comments": "comments.html"}
        if not answered:
            wanted = {"nothing": "nothing.html", **wanted}
        else:
            wanted = {
                "score": "score.html",
                "trend-chart": "trend_chart.html",
                "trend-table": "trend_table.html",
            } | wanted
            context["trend_chart"] = charts.trend_chart(trend)
            if read.compared.ends:
                wanted |= {"segments-note": "segments_note.html", "segments-chart": "segments_chart.html"}
                wanted |= {"segments-table": "segments_table.html", "segments-pages": "segments_pages.html"}
                context["segments_chart"] = charts.segments_chart(read.compared.ends, read.current.score.nps)
        parts = {name: await self._part(template, context) for name, template in wanted.items()}
        return Shown(
            parts=parts,
            title=words.title(read.current.score.nps, self._runtime.brand.name),
            stream=filters.stream_address(read.change),
            frame={
                "windows": WINDOWS,
                "campaigns": read.offered.campaigns,
                "dimensions": read.offered.dimensions,
                "example": write_segment(read.offered.example) if read.offered.example else None,
                "by": read.by,
                "step": step,
                "day_starts": context["day_starts"],
                "max_find": MAX_FIND,
                "paged": filters.find is not None or read.compared.total > VALUES_LISTED,
            },
        )

    def _comment_row(self, comment: Comment) -> tuple[Comment, str, str, str, str, str | None]:
        """With its group, when it was given for programs and for people, its beginning, and its case in the inbox."""
        return (
            comment,
            group_of(comment.score),
            comment.answered_at.isoformat(),
            f"{comment.answered_at.astimezone(self._zone):%Y-%m-%d %H:%M}",
            words.beginning(comment.comment),
            f"{self._inbox}/cases/{case_id(comment.answer_id)}" if comment.answer_id else None,
        )

    async def _part(self, template: str, context: Mapping[str, Any]) -> Part:
        text = await self._pages.render(f"parts/{template}", context)
        return Part(text, blake2b(text.encode(), digest_size=6).hexdigest())

    async def _read(self, filters: Filters) -> _Read:
        """In one transaction, so that the parts do not contradict each other."""
        minimum = self._runtime.settings.minimum_answers
        query = ScoreQuery.read(
            window=filters.window,
            segments=filters.segments,
            campaign=filters.campaign,
            at=self._runtime.clock.now(),
            zone=self._runtime.settings.zone,
        )
        step, points = TREND[filters.window]
        page = ValuesPage(
            minimum=minimum,
            most=VALUES_COMPARED,
            start=(filters.page - 1) * VALUES_LISTED,
            limit=VALUES_LISTED,
            find=filters.find,
            ends=charts.ENDS_DRAWN,
        )
        compared, comments = NOTHING_COMPARED, list[Comment]()
        async with self._runtime.read_only() as connection:
            change = await last_change(connection)
            offered = await choices(connection)
            if filters.by and filters.by not in offered.dimensions:
                await check_dimension(connection, filters.by)
            by = filters.by or _first_dimension(offered.dimensions)
            selection = await selection_of(connection, query)
            found = await score_and_trend(connection, selection, query, step=step, points=points, minimum=minimum)
            if selection is not None:
                everybody = found.current.score.counts
                if by:
                    compared = await comparison_within(connection, selection, query.days, page, everybody, dimension=by)
                comments = await newest_comments(connection, selection, query.days, limit=_COMMENTS_SHOWN)
        return _Read(
            change=change,
            query=query,
            current=found.current,
            trend=found.trend,
            offered=offered,
            by=by,
            compared=compared,
            comments=comments,
        )


def _rows(filters: Filters, compared: Sequence[Compared]) -> list[tuple[object, ...]]:
    addresses = filters.within([one.segment for one in compared])
    return [
        (address, one.held_back, one.value, *words.figures(one.score), words.differs(one.differs))
        for address, one in zip(addresses, compared, strict=True)
    ]


def _first_dimension(dimensions: list[str]) -> str | None:
    return next((name for name in _TRIED_FIRST if name in dimensions), dimensions[0] if dimensions else None)
