"""Unsubscribing: a page with one button for people, one POST for mail programs (RFC 8058). A GET changes nothing."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.collector.actions.answers import UnknownSurvey
from services.collector.actions.preferences import change_preference
from services.collector.domain.preferences import Wish, is_unsubscribed
from services.collector.repository import pending_preferences as early_wishes
from services.collector.repository import sends as repository
from services.collector.repository.sends import Survey
from services.collector.settings import CollectorSettings
from services.collector.web.rendering import Showing, address
from services.collector.web.survey import designed, open_survey
from shared.runtime import Runtime
from shared.web.forms import read_form


def routes(runtime: Runtime[CollectorSettings], showing: Showing) -> APIRouter:
    router = APIRouter()

    @router.api_route(
        "/unsubscribe/{token}", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False
    )
    async def unsubscribe_page(request: Request, token: str) -> Response:
        async def show() -> Response:
            # In this order: a wish that is settled in between is found with its survey.
            async with runtime.read_only() as connection:
                send_id = runtime.links.send_id_of(token, "unsubscribe")
                kept = await early_wishes.is_kept(connection, send_id)
            try:
                survey = await open_survey(runtime, token, "unsubscribe")
            except UnknownSurvey:
                # Who wants out need not wait: the wish is kept until the survey comes.
                if kept:
                    return showing.wish_waits(request)
                return _page(showing, request, None, "unsubscribe", "unsubscribe")
            async with runtime.read_only() as connection:
                preferences = await repository.read_preferences(connection, [survey.send.customer_id or ""])
            gone = any(is_unsubscribed(known.channels, survey.send.channel) for known in preferences.values())
            back = request.query_params.get("step") == "back"
            if gone:
                return _page(showing, request, survey, "unsubscribed", "resubscribe", done=True)
            if back:
                return _page(showing, request, survey, "resubscribed", None, done=True)
            return _page(showing, request, survey, "unsubscribe", "unsubscribe")

        return await designed(showing, request, show)

    @router.post(
        "/unsubscribe/{token}",
        responses={
            200: {"description": "One click of a mail program: done."},
            202: {"description": "The same about a survey that is not known here yet: kept, and done when it is."},
            303: {"description": "A person's form: a page tells what became of it."},
        },
    )
    async def unsubscribe(request: Request, token: str) -> Response:
        """Unsubscribes from every survey. Mail programs post ``List-Unsubscribe=One-Click``; whatever a body holds
        but ``wish=resubscribe``, which takes it back, means the same."""
        form = await read_form(request)
        wish: Wish = "resubscribe" if form.get("wish") == "resubscribe" else "unsubscribe"

        async def change() -> Response:
            done = await change_preference(runtime, runtime.links.send_id_of(token, "unsubscribe"), wish)
            if "List-Unsubscribe" in form:
                # A mail program looks at the status only, and redirects are forbidden here (RFC 8058 §3.1).
                return Response(status_code=200 if done else 202)
            step = "back" if wish == "resubscribe" else None
            return RedirectResponse(address(request, step=step), 303, {"Cache-Control": "no-store"})

        return await designed(showing, request, change)

    return router


def _page(
    showing: Showing, request: Request, survey: Survey | None, name: str, wish: Wish | None, *, done: bool = False
) -> Response:
    """How things stand, and the button for the other way."""
    return showing.step(
        request,
        "unsubscribe.html",
        survey,
        title_key=f"{name}_title",
        text_key=f"{name}_text",
        wish=wish,
        mark="done" if done else None,
    )
