"""Reads what is stored as JSON in our own tables.

While replicas are upgraded, or after going back to an earlier release, a newer one may have written it: fields that
this release does not know are ignored, at any depth. What others send stays strict: unknown fields there are mistakes.
"""

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")


def read_stored(kind: type[T], written: str) -> T:
    """The ``kind`` (a model, or a list of them) in a column's JSON. Raises ValidationError."""
    adapter: TypeAdapter[T] = _adapter(cast("Hashable", kind))
    return adapter.validate_json(written, extra="ignore")


@lru_cache(maxsize=100)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
