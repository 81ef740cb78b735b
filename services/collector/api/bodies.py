"""What clients may send: the bodies of the API and of the survey page, checked field by field."""

import asyncio
import re
from datetime import datetime
from typing import Annotated, TypeVar
from urllib.parse import parse_qs

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope
from starlette.types import Send as SendMessage

from services.collector.domain.answers import Said
from shared.contracts.sends import Channel
from shared.contracts.types import Comment, Identifier, Instant, Label, Score, Segments
from shared.web.problems import response

LARGEST_BODY = 256 * 1024
"""Bytes. The longest comment and twenty further answers fit, however they are escaped."""

MOST_FIELDS = 50
BODY_SECONDS = 30.0
"""Real seconds a body may take to come in, so that whoever dribbles holds no connection for good."""

_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")
Body = TypeVar("Body", bound=BaseModel)


def _written_time(value: object) -> object:
    """Only text is a time here: a bare number could be seconds or milliseconds of any epoch."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-01T09:30:00-03:00")


WrittenTime = Annotated[Instant, Field(strict=False), BeforeValidator(_written_time)]
WrittenScore = Annotated[Score, Strict()]
FurtherAnswers = Annotated[dict[Label, Comment], Field(max_length=20)]


class SurveyAnswer(BaseModel):
    """What is posted to a survey's page as JSON. It may come in parts; a part left out stays as it was."""

    model_config = ConfigDict(extra="forbid", strict=True)

    score: WrittenScore | None = None
    comment: Comment | None = None
    further_answers: FurtherAnswers | None = None

    def said(self) -> Said:
        said: Said = {}
        if self.score is not None:
            said["score"] = self.score
        if self.comment is not None:
            said["comment"] = self.comment
        if self.further_answers is not None:
            said["further_answers"] = self.further_answers
        return said


class DirectAnswer(SurveyAnswer):
    """What the shop's own backend posts to ``/v1/answers``. The same ``answer_id`` again is the same answer: what
    differs amends it, what is left out stays. Segments are taken as given, because the shop knows its customers."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "answer_id": "till-7-2026-11-01-0042",
                    "customer_id": "c-42",
                    "order_id": "1001",
                    "score": 9,
                    "comment": "The wrapping was lovely.",
                    "answered_at": "2026-11-01T09:30:00-03:00",
                    "segments": {"country": "BR", "category": ["toys", "books"]},
                }
            ]
        },
    )

    score: WrittenScore
    answer_id: Identifier | None = None
    customer_id: Identifier | None = None
    order_id: Identifier | None = None
    campaign: Identifier | None = None
    channel: Channel | None = None
    answered_at: WrittenTime | None = None
    segments: Segments | None = None

    def said(self) -> Said:
        said = super().said()
        for field in ("customer_id", "order_id", "campaign", "channel", "answered_at", "segments"):
            if (value := getattr(self, field)) is not None:
                said[field] = value
        return said


class AnswerAccepted(BaseModel):
    """The answer is stored; ``revision`` grows each time it changes."""

    answer_id: str
    revision: int


def read_json(body: bytes, model: type[Body]) -> Body:
    """The body as ``model``; RequestValidationError, which becomes a 422 problem, when it is not."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        violations = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**violation, "loc": ("body", *violation["loc"])} for violation in violations]
        ) from None


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, the first value of each; none when the body is not one.

    Pages post them URL-encoded; mail programs that unsubscribe are asked to use multipart/form-data (RFC 8058 §3.2).
    """
    body = await request.body()
    if _media_type(request) != "multipart/form-data":
        return url_encoded(body)
    try:
        async with request.form(max_fields=MOST_FIELDS) as form:
            return {name: value for name, value in reversed(form.multi_items()) if isinstance(value, str)}
    except HTTPException:
        return {}


def url_encoded(body: bytes) -> dict[str, str]:
    """The fields of a URL-encoded form; bytes that are no UTF-8 become U+FFFD, so that they cost no other field."""
    try:
        fields = parse_qs(
            body.decode(errors="replace"), keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def is_json(request: Request) -> bool:
    return _media_type(request) == "application/json"


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def form_score(written: str | None) -> int | None:
    """A score as a form or an address gives it; None for anything but 0 to 10."""
    return int(written) if written is not None and re.fullmatch(r"[0-9]|10", written, re.ASCII) else None


class BodyLimit:
    """Refuses bodies over LARGEST_BODY as they come in, before anything holds them whole, and those that take longer
    than ``seconds``."""

    def __init__(self, app: ASGIApp, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: SendMessage) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > LARGEST_BODY:
            await response(413, "The body is too large", _TOO_LARGE)(scope, receive, send)
            return
        taken = 0
        coming = True
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def counted() -> Message:
            nonlocal taken, coming
            try:
                # Once the body is there, what is waited for is the client's leaving, which may take its time.
                async with asyncio.timeout_at(deadline if coming else None):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, _TOO_SLOW, {"Connection": "close"}) from None
            coming = coming and bool(message.get("more_body"))
            taken += len(message.get("body", b""))
            if taken > LARGEST_BODY:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self._app(scope, counted, send)


_TOO_SLOW = "the body did not come in in time"
_TOO_LARGE = f"a body may have up to {LARGEST_BODY} bytes"
