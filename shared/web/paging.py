"""Pages of a list: each response ends with ``next_cursor``, which requests the next page, or null at the end.

A cursor is the position of a page's last entry in the list's order, as base64url of a JSON array, and opaque to
clients.
"""

import base64
from typing import Annotated, TypeVar, overload

import orjson
from fastapi import Query

from shared.web.problems import Problem

LONGEST_CURSOR = 2_000
CursorQuery = Annotated[
    str | None,
    Query(max_length=LONGEST_CURSOR, description="`next_cursor` of the previous page; leave it out for the first."),
]

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1

A = TypeVar("A", str, int)
B = TypeVar("B", str, int)
C = TypeVar("C", str, int)


def write_cursor(*position: str | int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


@overload
def read_cursor(cursor: str | None, first: type[A], /) -> tuple[A] | None: ...
@overload
def read_cursor(cursor: str | None, first: type[A], second: type[B], /) -> tuple[A, B] | None: ...
@overload
def read_cursor(cursor: str | None, first: type[A], second: type[B], third: type[C], /) -> tuple[A, B, C] | None: ...
def read_cursor(cursor: str | None, /, *kinds: type) -> tuple[str | int, ...] | None:
    """The position in a cursor, with parts of these kinds; None for the first page, when the cursor is empty or absent.

    Integers have 64 bits, and texts can be stored by PostgreSQL. Raises a 422 problem for anything ``write_cursor``
    would not produce for such a position.
    """
    if not cursor:
        return None
    try:
        position = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except ValueError:
        position = None
    if not isinstance(position, list) or not _fits(position, kinds):
        raise invalid_cursor()
    return tuple(position)


def invalid_cursor() -> Problem:
    """For a position that cannot be one of the list's."""
    return Problem(
        422,
        "Invalid cursor",
        detail="cursor: is not one of ours; use next_cursor of the previous page, unchanged, or leave it out",
    )


def _fits(position: list[object], kinds: tuple[type, ...]) -> bool:
    # Compared by type rather than isinstance, to which JSON's true is an int.
    return [type(part) for part in position] == list(kinds) and all(
        "\x00" not in part if isinstance(part, str) else isinstance(part, int) and _SMALLEST <= part <= _LARGEST
        for part in position
    )
