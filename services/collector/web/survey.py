"""The survey's page: the question, then the comment, then thanks. Opening it records nothing, whoever opens it.

Each POST ends in a redirect to the next step, so that reloading repeats nothing. A program posts JSON instead, and
gets JSON and problem details back.
"""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from sqlalchemy.exc import SQLAlchemyError

from services.collector.actions.answers import ClosedSurvey, Contended, ErasedSurvey, UnknownSurvey, answer_survey
from services.collector.api.bodies import AnswerAccepted, SurveyAnswer, form_score
from services.collector.domain.answers import Said, ScoreMissing, TooManyFurtherAnswers, plain_comment
from services.collector.repository import sends as repository
from services.collector.repository.sends import Survey
from services.collector.settings import CollectorSettings
from services.collector.web.rendering import REFRESH_SECONDS, Showing, address
from shared import metrics
from shared.contracts import identity
from shared.contracts.answers import Answer
from shared.links import BadLink, Purpose
from shared.runtime import Runtime
from shared.web.forms import is_json, read_form, read_json
from shared.web.problems import Problem

log = structlog.get_logger()

LONGEST_COMMENT = 5_000
"""Characters, as in the contract."""


def routes(runtime: Runtime[CollectorSettings], showing: Showing) -> APIRouter:
    router = APIRouter()

    @router.api_route("/s/{token}", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False)
    async def survey_page(request: Request, token: str) -> Response:
        async def show() -> Response:
            survey = await open_survey(runtime, token, "answer")
            metrics.survey_pages.labels("survey").inc()
            return _step(showing, request, survey)

        return await designed(showing, request, show)

    @router.post(
        "/s/{token}",
        status_code=202,
        response_model=AnswerAccepted,
        responses={303: {"description": "A form was posted: on to the next step."}},
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
        """Takes the score, or the comment that follows it. The token in the address says whose."""
        if is_json(request):
            return await _answer_program(runtime, token, await request.body())
        form = await read_form(request)

        async def answer() -> Response:
            return await _answer_person(runtime, showing, request, token, form)

        return await designed(showing, request, answer, form_score(form.get("score")))

    return router


async def open_survey(runtime: Runtime[CollectorSettings], token: str, purpose: Purpose) -> Survey:
    """The survey a link stands for. Raises BadLink, UnknownSurvey or ErasedSurvey; it may be closed."""
    send_id = runtime.links.send_id_of(token, purpose)
    async with runtime.read_only() as connection:
        survey = await repository.read_survey(connection, send_id, identity.answer_id(send_id))
    if survey is None:
        raise UnknownSurvey("the survey is not known here yet; try again in a few seconds")
    if survey.send.erased_at is not None:
        raise ErasedSurvey("the data of this survey's customer was erased")
    if purpose == "answer" and runtime.clock.now() > survey.send.expires_at:
        raise ClosedSurvey(survey)
    return survey


async def designed(
    showing: Showing,
    request: Request,
    show: Callable[[], Awaitable[Response]],
    score: int | None = None,
) -> Response:
    """What ``show`` gives, or the page that tells a person why there is nothing to see. ``score`` is what was chosen
    on a survey that is not known yet, so that it is marked when the page continues."""
    try:
        return await show()
    except BadLink:
        return showing.forged(request)
    except UnknownSurvey:
        return showing.unknown(request, score if score is not None else form_score(request.query_params.get("score")))
    except ErasedSurvey:
        return showing.erased(request)
    except ClosedSurvey as closed:
        return showing.closed(request, closed.survey)
    except (SQLAlchemyError, OSError) as error:
        log.warning("a page met a database in trouble", error=type(error).__name__)
        return showing.trouble(request)


def _step(showing: Showing, request: Request, survey: Survey) -> HTMLResponse:
    """The step the address names, or the question while there is no score."""
    answer = survey.stored.answer if survey.stored else None
    wanted = request.query_params.get("step")
    if answer is None or wanted not in ("comment", "thanks"):
        return _question(showing, request, survey, form_score(request.query_params.get("score")))
    if wanted == "comment":
        return _comment(showing, request, survey, answer)
    return showing.step(request, "thanks.html", survey, score=answer.score, change_address=address(request))


def _question(
    showing: Showing, request: Request, survey: Survey, chosen: int | None, *, missing: bool = False
) -> HTMLResponse:
    given = survey.stored.answer.score if survey.stored and survey.stored.answer else None
    return showing.step(
        request,
        "question.html",
        survey,
        status=422 if missing else 200,
        score=chosen if chosen is not None else given,
        chosen=chosen if chosen is not None else given,
        given=given,
        missing=missing,
    )


def _comment(showing: Showing, request: Request, survey: Survey, answer: Answer, too_long: str = "") -> HTMLResponse:
    """An earlier comment is not shown: who holds the link may be somebody else by now."""
    return showing.step(
        request,
        "comment.html",
        survey,
        status=422 if too_long else 200,
        score=answer.score,
        given=answer.score,
        change_address=address(request),
        has_comment=answer.comment is not None,
        comment=too_long,
        too_long=bool(too_long),
        comment_limit=LONGEST_COMMENT,
    )


async def _answer_person(
    runtime: Runtime[CollectorSettings], showing: Showing, request: Request, token: str, form: dict[str, str]
) -> Response:
    send_id = runtime.links.send_id_of(token, "answer")
    said: Said = {}
    if (score := form_score(form.get("score"))) is not None:
        said["score"] = score
    comment = plain_comment(form.get("comment", ""))
    if len(comment) > LONGEST_COMMENT:
        survey = await open_survey(runtime, token, "answer")
        if survey.stored and survey.stored.answer:
            return _comment(showing, request, survey, survey.stored.answer, comment)
        return _question(showing, request, survey, score, missing=score is None)
    if comment:
        said["comment"] = comment
    if not said and "comment" not in form:
        return _question(showing, request, await open_survey(runtime, token, "answer"), None, missing=True)
    try:
        await answer_survey(runtime, send_id, said)
    except ScoreMissing:
        return _question(showing, request, await open_survey(runtime, token, "answer"), None, missing=True)
    following = "thanks" if "comment" in form else "comment"
    return RedirectResponse(address(request, step=following), 303, {"Cache-Control": "no-store"})


async def _answer_program(runtime: Runtime[CollectorSettings], token: str, body: bytes) -> Response:
    try:
        send_id = runtime.links.send_id_of(token, "answer")
        answer = await answer_survey(runtime, send_id, read_json(body, SurveyAnswer).said())
    except BadLink as error:
        raise Problem(404, "The link does not work", str(error)) from error
    except (UnknownSurvey, Contended) as error:
        raise Problem(503, "Try again shortly", str(error), {"Retry-After": str(REFRESH_SECONDS)}) from error
    except ErasedSurvey as error:
        raise Problem(410, "The answer was erased", str(error)) from error
    except ClosedSurvey as error:
        closed = error.survey.send.expires_at.isoformat()
        raise Problem(410, "The survey has closed", f"it could be answered until {closed}") from error
    except (ScoreMissing, TooManyFurtherAnswers) as error:
        raise Problem(422, "The request breaks the contract", str(error)) from error
    accepted = AnswerAccepted(answer_id=answer.answer_id, revision=answer.revision)
    return JSONResponse(accepted.model_dump(), 202)
