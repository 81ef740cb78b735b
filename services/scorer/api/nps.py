"""The score API. Every figure comes with its interval and its n."""

import base64
import binascii
from datetime import date, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.scorer.domain.segments import BadSegment, Segment, parse, write
from services.scorer.loops.stream import Live, Score, Stream
from services.scorer.queries.scores import Figures, Question, Step, label_of
from services.scorer.repository import reading
from services.scorer.settings import ScorerSettings
from shared.contracts.scores import ANY_CAMPAIGN, Window
from shared.contracts.types import Instant
from shared.nps import CONFIDENCE, NetPromoterScore, sample_size, variance
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.problems import Problem

MOST_SEGMENTS = 10
CONTRACT_BROKEN = "The request breaks the contract"

SegmentQuery = Annotated[
    list[str],
    Query(alias="segment", max_length=MOST_SEGMENTS, description="`dimension:value`; repeated, all must apply."),
]
CampaignQuery = Annotated[str | None, Query(max_length=200, description="One campaign; without it, all together.")]
AtQuery = Annotated[
    Instant | None, Query(description="The window's end, with an offset; its whole day counts. Now by default.")
]
WindowQuery = Annotated[Window, Query(description="Days up to and including the day of `at`.")]
Cursor = Annotated[str | None, Query(max_length=1_000, description="`next` of the page before.")]


class ScoreBody(BaseModel):
    """Points from −100 to 100 with a 95 % interval; ``nps`` is null when nobody answered."""

    nps: float | None
    low: float
    high: float
    n: int
    promoters: int
    passives: int
    detractors: int
    held_back: bool


class NpsBody(ScoreBody):
    """``change`` is against the window of the same length before, in points, and null where there is none."""

    window: Window
    segment: str | list[str]
    campaign: str
    at: datetime
    change: float | None
    change_significant: bool | None
    delivered: int | None
    response_rate: float | None


class TrendPointBody(ScoreBody):
    day: date


class TrendBody(BaseModel):
    window: Window
    segment: str | list[str]
    campaign: str
    at: datetime
    step: Step
    points: list[TrendPointBody]


class ComparedBody(ScoreBody):
    """``differs`` from all the others together, corrected for the number of segments compared."""

    segment: str
    value: str
    differs: bool | None


class ComparisonBody(BaseModel):
    dimension: str
    window: Window
    within: str | list[str]
    campaign: str
    at: datetime
    items: list[ComparedBody]
    next: str | None


class SegmentBody(BaseModel):
    segment: str
    dimension: str
    value: str


class SegmentsBody(BaseModel):
    items: list[SegmentBody]
    next: str | None


class SampleSizeBody(BaseModel):
    """``n`` answers give ± ``margin`` points at ``confidence``; ``have`` were given in the window so far."""

    n: int
    margin: float
    confidence: float
    variance: float
    variance_from: str
    population: int | None
    have: int
    window: Window
    segment: str | list[str]
    campaign: str
    at: datetime


def create_router(runtime: Runtime[ScorerSettings], figures: Figures, stream: Stream) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["scores"], dependencies=[Depends(require("scores:read"))])

    def question_of(
        window: WindowQuery = "30d",
        segments: SegmentQuery = [],  # noqa: B006  # FastAPI copies defaults
        campaign: CampaignQuery = None,
        at: AtQuery = None,
    ) -> Question:
        try:
            return Question.read(window, segments, campaign, at or runtime.clock.now())
        except BadSegment as error:
            raise Problem(422, CONTRACT_BROKEN, str(error)) from error

    asked = Depends(question_of)

    @router.get("/nps")
    async def nps(question: Annotated[Question, asked]) -> NpsBody:
        """The score of one window."""
        async with runtime.read_only() as connection:
            figure = await figures.figure(connection, question)
        return NpsBody(
            **_score(figure.score, figure.held_back),
            **_asked(question),
            change=figure.change.points if figure.change else None,
            change_significant=figure.change.significant if figure.change else None,
            delivered=figure.delivered,
            response_rate=figure.response_rate,
        )

    @router.get("/nps/trend")
    async def trend(
        question: Annotated[Question, asked], step: Step = "day", points: Annotated[int, Query(ge=1, le=730)] = 90
    ) -> TrendBody:
        """The window's score as it stood at the end of each of the last days or weeks, oldest first."""
        async with runtime.read_only() as connection:
            found = await figures.trend(connection, question, step, points)
        return TrendBody(
            **_asked(question),
            step=step,
            points=[TrendPointBody(**_score(point.score, point.held_back), day=point.day) for point in found],
        )

    @router.get("/nps/compare")
    async def compare(
        question: Annotated[Question, asked],
        dimension: Annotated[str, Query(min_length=1, max_length=300)],
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        cursor: Cursor = None,
    ) -> ComparisonBody:
        """The values of a dimension side by side, best score first, those held back last."""
        start = _offset(cursor)
        async with runtime.read_only() as connection:
            found = await figures.comparison(connection, dimension, question)
        page = found[start : start + limit]
        echo = _asked(question)
        return ComparisonBody(
            dimension=dimension,
            within=echo.pop("segment"),
            **echo,
            items=[
                ComparedBody(
                    **_score(one.score, one.held_back), segment=one.segment, value=one.value, differs=one.differs
                )
                for one in page
            ],
            next=_cursor(start + limit) if start + limit < len(found) else None,
        )

    @router.get("/segments")
    async def segments(
        dimension: Annotated[str | None, Query(min_length=1, max_length=300)] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        cursor: Cursor = None,
    ) -> SegmentsBody:
        """Every segment that was ever counted, by dimension and value."""
        async with runtime.read_only() as connection:
            found = await reading.segments_after(connection, _segment_after(cursor), dimension, limit + 1)
        page = found[:limit]
        return SegmentsBody(
            items=[SegmentBody(segment=write(one), dimension=one[0], value=one[1]) for one in page],
            next=_cursor(list(page[-1])) if len(found) > limit else None,
        )

    @router.get("/sample-size")
    async def sample_size_needed(
        question: Annotated[Question, asked],
        margin: Annotated[float, Query(ge=0.01, le=100, description="Wanted ± in points.")] = 5,
        population: Annotated[int | None, Query(ge=1, description="How many customers there are at most.")] = None,
    ) -> SampleSizeBody:
        """How many answers a margin takes, from the variance of the answers so far, or the largest while too few."""
        async with runtime.read_only() as connection:
            figure = await figures.figure(connection, question)
        counts = figure.score.counts
        measured = not figure.held_back
        v = variance(counts.promoters / counts.n, counts.detractors / counts.n) if measured else 1.0
        return SampleSizeBody(
            **_asked(question),
            n=sample_size(margin, v, population),
            margin=margin,
            confidence=CONFIDENCE,
            variance=v,
            variance_from="answers" if measured else "largest possible",
            population=population,
            have=counts.n,
        )

    @router.get("/stream", response_class=StreamingResponse)
    async def listen(
        segment: SegmentQuery = [],  # noqa: B006  # FastAPI copies defaults
        window: Window | None = None,
        campaign: CampaignQuery = None,
        after: Annotated[
            int | None, Query(ge=0, lt=10**18, description="As `Last-Event-ID`, for a first connection.")
        ] = None,
        last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
    ) -> StreamingResponse:
        """Scores as they change, as server-sent events named `score.updated`; a repeated `segment` means any of them.

        `Last-Event-ID` continues after a break, with each score as it stands by then.
        """
        try:
            segments = {write(parse(one)) for one in segment}
        except BadSegment as error:
            raise Problem(422, CONTRACT_BROKEN, str(error)) from error

        def wanted(score: Score) -> bool:
            return (
                (not segments or score["segment"] in segments)
                and window in (None, score["window"])
                and campaign in (None, score["campaign"])
            )

        listener = await stream.enter(wanted, int(last_event_id) if last_event_id is not None else after)
        if listener is None:
            raise Problem(503, "Too many live streams", "try again later or elsewhere", {"Retry-After": "30"})
        return Live(stream, listener)

    return router


def _score(score: NetPromoterScore, held_back: bool) -> dict[str, Any]:
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


def _asked(question: Question) -> dict[str, Any]:
    return {
        "window": question.window,
        "segment": label_of(question.written_segments),
        "campaign": question.campaign or ANY_CAMPAIGN,
        "at": question.at,
    }


def _cursor(position: list[str] | int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def _position(cursor: str) -> object:
    try:
        position: object = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        return None
    return position


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    match _position(cursor):
        case int(offset) if 0 <= offset < 1_000_000:
            return offset
    raise _bad_cursor()


def _segment_after(cursor: str | None) -> Segment:
    if cursor is None:
        return ("", "")
    match _position(cursor):
        case [str(dimension), str(value)] if "\x00" not in dimension + value:
            return dimension, value
    raise _bad_cursor()


def _bad_cursor() -> Problem:
    return Problem(422, CONTRACT_BROKEN, "cursor: is none of ours; take it from `next` of the page before")
