"""Links whose token is missing or has something appended: an explanatory page instead of a bare 404."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.collector.settings import CollectorSettings
from services.collector.web.rendering import Rendering
from shared.links import BROKEN_LINK
from shared.runtime import Runtime
from shared.web.forms import is_json
from shared.web.problems import Problem


def routes(_runtime: Runtime[CollectorSettings], rendering: Rendering) -> APIRouter:
    """Catch-all routes under the customer paths; to be included last."""
    router = APIRouter()

    @router.api_route("/s/{rest:path}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    @router.api_route("/unsubscribe/{rest:path}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def broken_link(request: Request) -> HTMLResponse:
        if is_json(request):
            raise broken_link_problem()
        return rendering.broken_link(request)

    return router


def broken_link_problem() -> Problem:
    """The same for clients that post JSON."""
    return Problem(404, "The link does not work", detail=BROKEN_LINK)
