"""Unsubscribing: a page with one button for people, one POST for mail clients (RFC 8058). A GET changes nothing."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.collector.actions.preferences import change_preference
from services.collector.domain.preferences import PreferenceChange
from services.collector.domain.surveys import Survey
from services.collector.queries.preferences import read_subscription
from services.collector.settings import CollectorSettings
from services.collector.web.rendering import UNAVAILABLE, Rendering, address
from shared.runtime import Runtime
from shared.web.forms import read_form


def routes(runtime: Runtime[CollectorSettings], rendering: Rendering) -> APIRouter:
    router = APIRouter()

    @router.api_route(
        "/unsubscribe/{token}", methods=["GET", "HEAD"], response_class=HTMLResponse, include_in_schema=False
    )
    async def unsubscribe_page(request: Request, token: str) -> Response:
        try:
            send_id = runtime.links.send_id_of(token, "unsubscribe")
            async with runtime.read_only() as connection:
                subscription = await read_subscription(connection, send_id)
        except UNAVAILABLE as error:
            return rendering.unavailable(request, error)
        survey = subscription.survey
        if survey is None and subscription.pending:
            return rendering.pending(request)
        if subscription.unsubscribed:
            return _page(rendering, request, survey, "unsubscribed", change="resubscribe", done=True)
        if survey is not None and request.query_params.get("step") == "back":
            return _page(rendering, request, survey, "resubscribed", change=None, done=True)
        # Also for a survey that is not known yet: nobody has to wait to unsubscribe, the change is stored as pending.
        return _page(rendering, request, survey, "unsubscribe", change="unsubscribe")

    @router.post(
        "/unsubscribe/{token}",
        responses={
            200: {"description": "A mail client's one-click request: done."},
            202: {"description": "The same for a survey that is not known here yet: pending until it is."},
            303: {"description": "A form was posted: redirect to the page with the result."},
        },
    )
    async def unsubscribe(request: Request, token: str) -> Response:
        """Unsubscribes from all surveys. Mail clients post ``List-Unsubscribe=One-Click``; any body means the same,
        except ``wish=resubscribe``, which undoes it."""
        form = await read_form(request)
        change: PreferenceChange = "resubscribe" if form.get("wish") == "resubscribe" else "unsubscribe"
        try:
            send_id = runtime.links.send_id_of(token, "unsubscribe")
            done = await change_preference(runtime, send_id, change)
        except UNAVAILABLE as error:
            return rendering.unavailable(request, error)
        if "List-Unsubscribe" in form:
            # A mail client only looks at the status, and redirects are forbidden here (RFC 8058 §3.1).
            return Response(status_code=200 if done else 202)
        step = "back" if change == "resubscribe" else None
        return RedirectResponse(address(request, step=step), 303, {"Cache-Control": "no-store"})

    return router


def _page(
    rendering: Rendering,
    request: Request,
    survey: Survey | None,
    name: str,
    *,
    change: PreferenceChange | None,
    done: bool = False,
) -> Response:
    """The current state, and the button that makes the change."""
    return rendering.page(
        request,
        "unsubscribe.html",
        survey,
        title_key=f"{name}_title",
        text_key=f"{name}_text",
        change=change,
        mark="done" if done else None,
    )
