"""Explains a pydantic ValidationError: field and rule, with or without the value.

The value is shown only to its author (a definition file), never where it could be personal data or a secret (an
event, a request, a setting), because messages end up in logs.
"""

from collections.abc import Sequence
from functools import cache

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MAX_EXPLAINED = 5
_LONGEST_VALUE = 100


def explain(error: ValidationError) -> list[str]:
    """A sentence for each of the first five violations: field, value and rule."""
    return [_sentence(violation) for violation in error.errors(include_url=False)[:MAX_EXPLAINED]]


def explain_without_values(error: ValidationError, model: type[BaseModel]) -> str:
    """Field and rule of the first five violations of ``model``, on one line.

    Names chosen by the sender, such as an attribute's, are omitted like the values, and shown as ``*``.
    """
    known = _field_names(model)
    parts = []
    for violation in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_EXPLAINED]:
        field = ".".join(str(part) if isinstance(part, int) or part in known else "*" for part in violation["loc"])
        parts.append(f"{field or 'body'}: {rule(violation['msg'])}")
    return "; ".join(parts)


def field_name(location: Sequence[str | int]) -> str:
    """The path of a field, with dots; empty for the whole.

    For a union, pydantic inserts the type it tried, such as ``list[constrained-str]``, which is not part of what the
    author wrote.
    """
    return ".".join(str(part) for part in location if "[" not in str(part))


def rule(message: str) -> str:
    """The rule in a violation's ``msg``, without the prefix pydantic puts before those of our own validators."""
    return message.removeprefix("Value error, ")


def _sentence(violation: ErrorDetails) -> str:
    field = field_name(violation["loc"])
    if violation["type"] == "missing":
        return f"{field} is missing"
    if violation["type"] == "extra_forbidden":
        return f"{field} is not a known field; remove it or correct its name"
    if not field:
        return rule(violation["msg"])
    match violation["input"]:
        case None:
            value = " is empty"
        case bool(chosen):
            value = f" is {str(chosen).lower()}"
        case int(number) | float(number):
            value = f" is {number}"
        case str(text):
            value = f" is {text[:_LONGEST_VALUE]!r}"
        case _:
            value = ""
    return f"{field}{value}: {rule(violation['msg'])}"


@cache
def _field_names(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a model and of everything nested in it."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for part in parts for name in part.get("properties", ()))
