"""The survey's page: the question, then the comment, then thanks. Opening it records nothing: scanners do so too.

Each POST ends in a redirect to the next step, so that reloading repeats nothing. API clients post JSON instead, and
get JSON and problem details back.
"""

import re
from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from services.collector.actions.answer_writer import AnswerWriter
from services.collector.actions.contention import Contended, Overloaded
from services.collector.domain.answers import (
    ANSWER_ERASED,
    AnswerAccepted,
    AnswerParts,
    ScoreMissing,
    SurveyAnswer,
    TooManyFurtherAnswers,
    form_score,
)
from services.collector.domain.surveys import ClosedSurvey, ErasedSurvey, Survey, UnknownSurvey
from services.collector.queries.surveys import answerable_survey
from services.collector.settings import CollectorSettings
from services.collector.web.damaged_links import broken_link_problem, repaired_address
from services.collector.web.rendering import REFRESH_SECONDS, UNAVAILABLE, Rendering, address
from shared import metrics
from shared.contracts.answers import Answer
from shared.contracts.types import MAX_COMMENT
from shared.links import BrokenLink
from shared.runtime import Runtime
from shared.web.forms import FORM_TYPES, is_json, read_form, read_json, storable_text, url_encoded
from shared.web.plain import Reply, Submitted, submitted
from shared.web.problems import INVALID_REQUEST, TRY_AGAIN, Problem, declared

# What the signed links of this version have in their path; others, and what mail programs made of them, are read with
# more patience.
_PLAIN_PATH = re.compile(r"/s/([0-9a-z-]+\.[a-z2-7]+)")


def routes(runtime: Runtime[CollectorSettings], rendering: Rendering, writer: AnswerWriter) -> APIRouter:
    router = APIRouter()

    @router.get("/s/{token:path}", response_class=HTMLResponse, include_in_schema=False)
    @router.get("/s/{token}", response_class=HTMLResponse, include_in_schema=False)
    async def survey_page(request: Request, token: str) -> Response:
        try:
            send_id = runtime.links.send_id_of(token, "answer")
            if repaired := repaired_address(request, runtime.links, "answer", written=token, send_id=send_id):
                return RedirectResponse(repaired, 303, {"Cache-Control": "no-store"})
            step = request.query_params.get("step")
            survey = await _answerable(runtime, send_id, only_comments=step in ("comment", "thanks"))
        except UNAVAILABLE as error:
            return rendering.unavailable(request, error)
        metrics.survey_pages.labels("survey").inc()
        return _step(rendering, request, survey, step)

    @router.post("/s/{token:path}", include_in_schema=False)
    @router.post(
        "/s/{token}",
        status_code=202,
        response_model=AnswerAccepted,
        responses={**declared(404, 410), 303: {"description": "A form was posted: redirect to the next step."}},
        openapi_extra={
            "requestBody": {
                "content": {
                    "application/json": {"schema": SurveyAnswer.model_json_schema()},
                    "application/x-www-form-urlencoded": {
                        "schema": {
                            "type": "object",
                            "properties": {"score": {"type": "integer"}, "comment": {"type": "string"}},
                        }
                    },
                }
            }
        },
    )
    async def post_survey(request: Request, token: str) -> Response:
        """Accepts the score, or the comment that follows it. The token in the URL identifies the survey."""
        if is_json(request):
            return await _post_json(runtime, writer, token, await request.body())
        form = await read_form(request)
        try:
            return await _post_form(runtime, writer, rendering, request, token, form)
        except UNAVAILABLE as error:
            return rendering.unavailable(request, error, score=form_score(form.get("score")))

    return router


class PlainForms:
    """What a survey's page does with a form that is plainly in order; see ``shared.web.plain``."""

    template = "/s/{token}"
    media_type = FORM_TYPES[0].encode()

    def __init__(self, runtime: Runtime[CollectorSettings], writer: AnswerWriter) -> None:
        self._links = runtime.links
        self._writer = writer

    def takes(self, path: str) -> bool:
        return _PLAIN_PATH.fullmatch(path) is not None

    def submit(self, path: str, _headers: Mapping[bytes, bytes], body: bytes) -> Submitted[AnswerAccepted] | None:
        form = url_encoded(body)
        given = _given(form)
        if given is None:
            return None
        try:
            send_id = self._links.send_id_of(path.rpartition("/")[2], "answer")
            accepted = self._writer.submit_survey(send_id, given)
        except (BrokenLink, Overloaded):
            return None
        headers = ((b"location", f"{path}?step={_following(form)}".encode()), (b"cache-control", b"no-store"))
        return Submitted(accepted, lambda _: Reply(303, headers))


def _given(form: Mapping[str, str]) -> AnswerParts | None:
    """What a form says; None if there is nothing in it, or a comment that is too long."""
    score, comment = form_score(form.get("score")), _comment_in(form)
    if _is_too_long(comment) or (score is None and "comment" not in form):
        return None
    given: AnswerParts = {}
    if score is not None:
        given["score"] = score
    if comment:
        given["comment"] = comment
    return given


def _comment_in(form: Mapping[str, str]) -> str:
    return storable_text(form.get("comment", "")).strip()


def _is_too_long(comment: str) -> bool:
    return len(comment) > MAX_COMMENT


def _following(form: Mapping[str, str]) -> str:
    """The step after that of the form."""
    return "thanks" if "comment" in form else "comment"


async def _post_form(
    runtime: Runtime[CollectorSettings],
    writer: AnswerWriter,
    rendering: Rendering,
    request: Request,
    token: str,
    form: Mapping[str, str],
) -> Response:
    """Redirects to the next step, or shows the same step again with what is missing or too long."""
    send_id = runtime.links.send_id_of(token, "answer")
    score, comment = form_score(form.get("score")), _comment_in(form)
    given = _given(form)
    if _is_too_long(comment):
        survey = await _answerable(runtime, send_id, score=score, only_comments=True)
        if survey.stored and survey.stored.answer:
            return _comment(rendering, request, survey, survey.stored.answer, too_long=comment)
        return _question(rendering, request, survey, score, missing=score is None)
    if given is None:
        return _question(rendering, request, await _answerable(runtime, send_id), None, missing=True)
    try:
        await (submitted(request) or writer.submit_survey(send_id, given))
    except ScoreMissing:
        return _question(rendering, request, await _answerable(runtime, send_id), None, missing=True)
    return RedirectResponse(address(request, step=_following(form)), 303, {"Cache-Control": "no-store"})


async def _post_json(runtime: Runtime[CollectorSettings], writer: AnswerWriter, token: str, body: bytes) -> Response:
    try:
        send_id = runtime.links.send_id_of(token, "answer")
        accepted = await writer.submit_survey(send_id, read_json(body, SurveyAnswer).parts())
    except BrokenLink as error:
        raise broken_link_problem() from error
    except (UnknownSurvey, Contended, Overloaded) as error:
        raise Problem(503, TRY_AGAIN, detail=str(error), headers={"Retry-After": str(REFRESH_SECONDS)}) from error
    except ErasedSurvey as error:
        raise Problem(410, ANSWER_ERASED, detail=str(error)) from error
    except ClosedSurvey as error:
        raise Problem(410, "The survey has closed", detail=str(error)) from error
    except (ScoreMissing, TooManyFurtherAnswers) as error:
        raise Problem(422, INVALID_REQUEST, detail=str(error)) from error
    return JSONResponse(accepted.model_dump(), 202)


async def _answerable(
    runtime: Runtime[CollectorSettings], send_id: str, *, score: int | None = None, only_comments: bool = False
) -> Survey:
    """See ``answerable_survey``. Raises UnknownSurvey, ErasedSurvey or ClosedSurvey."""
    now = runtime.clock.now()
    async with runtime.read_only() as connection:
        return await answerable_survey(connection, send_id, now, score=score, only_comments=only_comments)


def _step(rendering: Rendering, request: Request, survey: Survey, step: str | None) -> HTMLResponse:
    """The ``step`` named in the URL, or the question while there is no score."""
    answer = survey.stored.answer if survey.stored else None
    if answer is None or step not in ("comment", "thanks"):
        return _question(rendering, request, survey, form_score(request.query_params.get("score")))
    if step == "comment":
        return _comment(rendering, request, survey, answer)
    return rendering.page(request, "thanks.html", survey, score=answer.score)


def _question(
    rendering: Rendering, request: Request, survey: Survey, chosen: int | None, *, missing: bool = False
) -> HTMLResponse:
    given = survey.stored.answer.score if survey.stored and survey.stored.answer else None
    return rendering.page(
        request,
        "question.html",
        survey,
        status=422 if missing else 200,
        score=chosen if chosen is not None else given,
        chosen=chosen if chosen is not None else given,
        given=given,
        missing=missing,
    )


def _comment(
    rendering: Rendering, request: Request, survey: Survey, answer: Answer, *, too_long: str = ""
) -> HTMLResponse:
    """An earlier comment is not shown: by now somebody else may have the link."""
    return rendering.page(
        request,
        "comment.html",
        survey,
        status=422 if too_long else 200,
        score=answer.score,
        given=answer.score,
        has_comment=answer.comment is not None,
        comment=too_long,
        too_long=bool(too_long),
        comment_limit=MAX_COMMENT,
    )
