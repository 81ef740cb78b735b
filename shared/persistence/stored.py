"""Reads what is stored as JSON in our own tables.

While replicas are upgraded, or after going back to an earlier release, a newer one may have written it: fields that
this release does not know are ignored, at any depth, and a value that it does not know, where it knows a few words, is
kept as it is. Whoever decides by such a word must say what any other means. What others send stays strict: unknown
fields and words there are mistakes.
"""

from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator

T = TypeVar("T")

_UNKNOWN_WORD = "literal_error"


def read_stored(kind: type[T], written: str) -> T:
    """The ``kind`` (a model, or a list of them) in a column's JSON. Raises ValidationError."""
    adapter: TypeAdapter[T] = _adapter(cast("Hashable", kind))
    try:
        return adapter.validate_json(written, extra="ignore")
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        if any(fault["type"] != _UNKNOWN_WORD for fault in faults):
            raise
    read: T = _of_any_release(cast("Hashable", kind)).validate_json(written, extra="ignore")
    return read


@lru_cache(maxsize=100)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@lru_cache(maxsize=100)
def _of_any_release(kind: Any) -> SchemaValidator:
    """Only for what has unknown words: the usual one is faster."""
    # Without those that models have made of themselves, which know only our words.
    return SchemaValidator(_with_any_word(_adapter(kind).core_schema), _use_prebuilt=False)


def _with_any_word(schema: Any) -> Any:
    if isinstance(schema, Mapping):
        if schema.get("type") == "literal":
            return {"type": "str"}
        return {name: _with_any_word(part) for name, part in schema.items()}
    if isinstance(schema, list | tuple):
        return type(schema)(_with_any_word(part) for part in schema)
    return schema
