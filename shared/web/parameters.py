"""Query parameters that an endpoint does not have are refused: a misspelt filter would answer another question."""

from collections.abc import Collection, Iterator
from typing import get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from shared.web.problems import INVALID_REQUEST, Problem

_MOST_SHOWN = 100
"""Characters of an unknown parameter's name that are repeated."""


def known_parameters(request: Request) -> None:
    """A dependency of a router or endpoint. Raises a 422 that names a parameter that is not known, with those that are,
    or one that has a single value and was given several times: which of them counts would be a guess."""
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute):
        return
    known = dict(_parameters(route.dependant))
    for name in request.query_params:
        if name not in known:
            possible = f"possible are {', '.join(sorted(known))}" if known else "there are none here"
            raise Problem(422, INVALID_REQUEST, detail=f"{name[:_MOST_SHOWN]}: is no parameter; {possible}")
        given = len(request.query_params.getlist(name))
        if given > 1 and not known[name]:
            raise Problem(422, INVALID_REQUEST, detail=f"{name}: is given {given} times; give it once")


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """The query parameters of an endpoint and of all its dependencies; whether each may have several values."""
    for field in dependant.query_params:
        yield field.alias, _is_list(field.field_info.annotation)
    for dependency in dependant.dependencies:
        yield from _parameters(dependency)


def _is_list(annotation: object) -> bool:
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Collection):
        return True
    return any(_is_list(argument) for argument in get_args(annotation))
