"""Query parameters that an endpoint does not have are refused: a misspelt filter would answer another question."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from shared.web.problems import INVALID_REQUEST, Problem

_MOST_SHOWN = 100
"""Characters of an unknown parameter's name that are repeated."""


def known_parameters(request: Request) -> None:
    """A dependency of a router or endpoint. Raises a 422 that names the parameter and those that are possible."""
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = sorted(set(_names(route.dependant)))
    for name in request.query_params:
        if name not in known:
            possible = f"possible are {', '.join(known)}" if known else "there are none here"
            raise Problem(422, INVALID_REQUEST, detail=f"{name[:_MOST_SHOWN]}: is no parameter; {possible}")


def _names(dependant: Dependant) -> Iterator[str]:
    """The query parameters of an endpoint and of all its dependencies."""
    for field in dependant.query_params:
        yield field.alias
    for dependency in dependant.dependencies:
        yield from _names(dependency)
