"""Links as mail programs left them: opened where the token can be found, and repaired before a page is shown."""

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from services.collector.domain.answers import form_score
from services.collector.domain.damaged_links import score_in_link
from services.collector.web.rendering import address
from shared.links import BROKEN_LINK, PATHS, Links, Purpose
from shared.web.problems import Problem

_KEPT = ("step", "tries")


class AnyCase:
    """Serves customers' links whose path is in upper case, as ``/S/…``; some mail programs write a whole link so."""

    def __init__(self, app: ASGIApp, *, base_path: str) -> None:
        self._app = app
        self._beginnings = [start + path for start in dict.fromkeys((base_path, "")) for path in PATHS.values()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            for beginning in self._beginnings:
                if path[: len(beginning)].lower() == beginning.lower():
                    scope = {**scope, "path": beginning + path[len(beginning) :]}
                    break
        await self._app(scope, receive, send)


def repaired_address(request: Request, links: Links, purpose: Purpose, *, written: str, send_id: str) -> str | None:
    """The address of the page that was meant; None if it is the one requested. ``written`` is the token as it came."""
    token = links.token(purpose, send_id)
    given = form_score(request.query_params.get("score"))
    score = score_in_link(f"{written}?{request.url.query}") if given is None else given
    if written == token and score == given:
        return None
    path = request.scope["path"].removesuffix(written) + token
    kept = {name: request.query_params.get(name) for name in _KEPT}
    return address(request, path, score=score, **kept)


def broken_link_problem() -> Problem:
    """What clients that post JSON get instead of a page."""
    return Problem(404, "The link does not work", detail=BROKEN_LINK)
