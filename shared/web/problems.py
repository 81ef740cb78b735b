"""Errors as RFC 9457 problem details: which field, which rule, and the way out."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared import tracing

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Raise it in any endpoint. ``title`` is the same for every problem of a kind, ``detail`` tells of this one."""

    def __init__(
        self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
        self.members = members


def response(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    if (trace := tracing.current()) is not None:
        body["trace"] = trace.split("-")[1]
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, error: Problem) -> JSONResponse:
        return response(error.status, error.title, error.detail, error.headers, **error.members)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Names and rules, not the values: they may be personal data and would end up in somebody's logs.
        errors = [
            {"field": ".".join(str(part) for part in violation["loc"][1:]) or "body", "message": violation["msg"]}
            for violation in error.errors()[:20]
        ]
        detail = "; ".join(f"{entry['field']}: {entry['message']}" for entry in errors[:5])
        return response(422, "The request breaks the contract", detail, errors=errors)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        return response(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail), error.headers)
