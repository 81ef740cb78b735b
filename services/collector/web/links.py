"""Links as mail programs left them: opened where the token can be found, and repaired before a page is shown."""

from fastapi import Request

from services.collector.domain.answers import form_score
from services.collector.domain.links import score_in_link
from services.collector.web.rendering import address
from shared.links import BROKEN_LINK, Links, Purpose
from shared.web.problems import Problem

_KEPT = ("step", "tries")


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
