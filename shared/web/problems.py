"""Errors as RFC 9457 problem details: the field, the rule, and how to fix it. Browsers get the same as a page."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from shared import tracing
from shared.contracts.campaigns import Brand
from shared.validation import MAX_EXPLAINED, field_name, rule
from shared.web.pages import Pages

MEDIA_TYPE = "application/problem+json"
INVALID_REQUEST = "Invalid request"
"""The title of every 422 about a field of a request."""
TRY_AGAIN = "Try again shortly"
"""The title of every 503 about something that passes."""

_NOT_AN_OBJECT = ("missing", "model_type", "model_attributes_type", "dict_type")
_OBJECT_NEEDED = "must be a JSON object, sent with the header Content-Type: application/json"
# FastAPI's, when a body is no text in any encoding that JSON may have, or nested too deeply.
_UNREADABLE_BODY = "There was an error parsing the body"
_UNREADABLE = "the body cannot be read as JSON; send an object, encoded as UTF-8"

_NO_OPERATION = "there is nothing at this path; /openapi.json lists the operations"


class ProblemDetails(BaseModel):
    """An error (RFC 9457). ``detail`` names the field, the rule and the way out; ``trace`` finds it in the logs."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []
    trace: str | None = None


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an operation that may end in these problems, and in those of every operation."""
    content = {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}}
    every = sorted({*statuses, 408, 413, 422, 503})
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in every}


class Problem(Exception):
    """Raise it in any endpoint. ``title`` is the same for all problems of a kind, ``detail`` is about this one."""

    def __init__(
        self, status: int, title: str, *, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
        self.members = members


class BodyProblem(HTTPException):
    """A problem found while a body arrives, where FastAPI lets no exception of ours through."""

    def __init__(self, status: int, title: str, *, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.title = title


def response(
    status: int, title: str, *, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    if (trace := tracing.current()) is not None:
        body["trace"] = trace.split("-")[1]
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def reply(
    request: Request, status: int, title: str, *, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """The problem in the client's format: a page for browsers, problem details otherwise."""
    if not _wants_page(request):
        return response(status, title, detail=detail, headers=headers, **members)
    pages: Pages = request.app.state.problem_pages
    context = {
        "brand": request.app.state.brand,
        "status": status,
        "title": title,
        "detail": f"{detail[:1].upper()}{detail[1:].rstrip('.')}.",
        "again": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "asked_by_link": request.method == "GET",
    }
    return pages.TemplateResponse(request, "problem.html", context, status, headers)


def _wants_page(request: Request) -> bool:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return not path.startswith("/v1/") and "text/html" in request.headers.get("accept", "")


def install(app: FastAPI, pages: Pages, brand: Brand) -> None:
    """Turns every error of the application into a problem."""
    app.state.problem_pages = pages
    app.state.brand = brand

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return reply(request, error.status, error.title, detail=error.detail, headers=error.headers, **error.members)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        # Names and rules, not values: those may be personal data and would end up in a client's logs.
        errors = [_violation(violation) for violation in error.errors()[:20]]
        detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in errors[:MAX_EXPLAINED])
        return reply(request, 422, INVALID_REQUEST, detail=detail, errors=errors)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        title = error.title if isinstance(error, BodyProblem) else HTTPStatus(error.status_code).phrase
        detail = _UNREADABLE if error.detail == _UNREADABLE_BODY else str(error.detail)
        if detail == HTTPStatus.NOT_FOUND.phrase:  # the library's word for a path without a route
            detail = "there is no such page" if _wants_page(request) else _NO_OPERATION
        return reply(request, error.status_code, title, detail=detail, headers=error.headers)


def _violation(violation: Mapping[str, Any]) -> dict[str, str]:
    """Field and rule. What is wrong with the whole body is said in our words: the library's are about its types."""
    location = violation["loc"][1:]
    kind = violation["type"]
    if kind == "json_invalid":
        # FastAPI gives the place as the location, pydantic in its message.
        place = f" at character {location[0]}" if location else ""
        reason = violation.get("ctx", {}).get("error") or rule(violation["msg"]).removeprefix("Invalid JSON: ")
        return {"field": "body", "message": f"is not JSON: {reason}{place}"}
    if violation["loc"] == ("body",) and kind in _NOT_AN_OBJECT:
        return {
            "field": "body",
            "message": "must be a JSON object, sent with the header Content-Type: application/json",
        }
    return {"field": field_name(location) or "body", "message": rule(violation["msg"])}
