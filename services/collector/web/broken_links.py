"""Links that lost their token or grew a tail on the way: a page that says so, not a machine's error."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from services.collector.web.rendering import Showing
from shared.links import BROKEN_LINK
from shared.web.forms import is_json
from shared.web.problems import Problem


def routes(showing: Showing) -> APIRouter:
    """To be added last: they take what no other page takes under the customers' addresses."""
    router = APIRouter()

    @router.api_route("/s/{rest:path}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    @router.api_route("/unsubscribe/{rest:path}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def lost(request: Request) -> HTMLResponse:
        if is_json(request):
            raise Problem(404, "The link does not work", BROKEN_LINK)
        return showing.forged(request)

    return router
