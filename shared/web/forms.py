"""Reads a request's body: a form's fields, or JSON of a given model."""

from typing import TypeVar
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from shared.contracts.types import UNSTORABLE

MAX_FIELDS = 50
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")

Body = TypeVar("Body", bound=BaseModel)


def media_type(request: Request) -> str:
    """In lower case and without parameters; empty when the request has none."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    return media_type(request) == "application/json"


def read_json(body: bytes, model: type[Body]) -> Body:
    """The body as ``model``. Raises RequestValidationError, which becomes a 422 problem."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        violations = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**violation, "loc": ("body", *violation["loc"])} for violation in violations]
        ) from None


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, the first value of each; none when the body is not a form.

    Pages post them URL-encoded; mail clients that unsubscribe should use multipart/form-data (RFC 8058 §3.2).
    """
    body = await request.body()
    if media_type(request) != "multipart/form-data":
        return url_encoded(body)
    try:
        async with request.form(max_fields=MAX_FIELDS) as form:
            return {name: value for name, value in reversed(form.multi_items()) if isinstance(value, str)}
    except HTTPException:
        return {}


def storable_text(written: str) -> str:
    """A form's text with line breaks as LF, which browsers send as CR LF, and without characters that cannot be stored,
    which nobody types."""
    return UNSTORABLE.sub("", written.replace("\r\n", "\n").replace("\r", "\n"))


def url_encoded(body: bytes) -> dict[str, str]:
    """The fields of a URL-encoded form; bytes that are not UTF-8 become U+FFFD, so that the other fields survive."""
    try:
        fields = parse_qs(
            body.decode(errors="replace"), keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS
        )
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}
