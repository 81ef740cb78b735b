"""Links whose token is missing or has something appended: a page that explains it, not a machine's error."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.collector.web.rendering import Rendering
from shared.links import BROKEN_LINK
from shared.web.forms import is_json
from shared.web.problems import Problem


def routes(rendering: Rendering) -> APIRouter:
    """To be included last: they match whatever no other route matches under the customers' addresses."""
    router = APIRouter()

    @router.api_route("/s/{rest:path}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    @router.api_route("/unsubscribe/{rest:path}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def broken_link(request: Request) -> HTMLResponse:
        if is_json(request):
            raise Problem(404, "The link does not work", BROKEN_LINK)
        return rendering.bad_link(request)

    return router
