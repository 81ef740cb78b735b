"""Unsubscribing: a page with one button for people, one POST for mail programs (RFC 8058). A GET changes nothing."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.collector import repository
from services.collector.domain.preferences import Wish, is_unsubscribed
from services.collector.requests import read_form
from services.collector.settings import CollectorSettings
from services.collector.showing import Showing, address
from services.collector.survey_pages import designed, open_survey
from services.collector.unsubscribing import change_preference
from shared.runtime import Runtime


def routes(runtime: Runtime[CollectorSettings], showing: Showing) -> APIRouter:
    router = APIRouter()

    @router.api_route(
        "/unsubscribe/{token}", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False
    )
    async def unsubscribe_page(request: Request, token: str) -> Response:
        async def show() -> Response:
            survey = await open_survey(runtime, token, "unsubscribe")
            async with runtime.reading() as connection:
                known = await repository.read_preferences(connection, survey.send.customer_id or "")
            gone = known is not None and is_unsubscribed(known.channels, survey.send.channel)
            back = request.query_params.get("step") == "back"
            name = "unsubscribed" if gone else "resubscribed" if back else "unsubscribe"
            return showing.step(
                request,
                "unsubscribe.html",
                survey,
                title_key=f"{name}_title",
                text_key=f"{name}_text",
                wish="resubscribe" if gone else None if back else "unsubscribe",
                mark="done" if gone or back else None,
            )

        return await designed(showing, request, show)

    @router.post("/unsubscribe/{token}", responses={303: {"description": "Done; a page tells so."}})
    async def unsubscribe(request: Request, token: str) -> Response:
        """Unsubscribes from every survey. Mail programs post ``List-Unsubscribe=One-Click``; whatever a body holds
        but ``wish=resubscribe``, which takes it back, means the same."""
        form = read_form(await request.body())
        wish: Wish = "resubscribe" if form.get("wish") == "resubscribe" else "unsubscribe"

        async def change() -> Response:
            await change_preference(runtime, runtime.links.send_id_of(token, "unsubscribe"), wish)
            if "List-Unsubscribe" in form:
                # A mail program looks at the status only; RFC 8058 §3.1 forbids it to follow a redirect.
                return Response(status_code=200)
            step = "back" if wish == "resubscribe" else None
            return RedirectResponse(address(request, step=step), 303, {"Cache-Control": "no-store"})

        return await designed(showing, request, change)

    return router
