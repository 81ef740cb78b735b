"""Unsubscribing: a page with one button for people, one POST for mail clients (RFC 8058). A GET changes nothing."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.collector.actions.preferences import change_preference
from services.collector.domain.preferences import PreferenceChange
from services.collector.domain.surveys import Survey
from services.collector.queries.preferences import read_subscription
from services.collector.settings import CollectorSettings
from services.collector.web.damaged_links import broken_link_problem, repaired_address
from services.collector.web.rendering import UNAVAILABLE, Rendering, address
from shared.links import BrokenLink
from shared.runtime import Runtime
from shared.web.forms import FORM_TYPES, is_json, read_form
from shared.web.problems import INVALID_REQUEST, Problem, declared

_WISHES: dict[str, PreferenceChange] = {"unsubscribe": "unsubscribe", "resubscribe": "resubscribe"}
_ACCEPTED = (
    "the body must be List-Unsubscribe=One-Click, as mail programs send it (RFC 8058), or wish=unsubscribe or "
    "wish=resubscribe, as the page does"
)
_FORM = {
    "type": "object",
    "properties": {
        "List-Unsubscribe": {"type": "string", "enum": ["One-Click"]},
        "wish": {"type": "string", "enum": list(_WISHES)},
    },
}


def routes(runtime: Runtime[CollectorSettings], rendering: Rendering) -> APIRouter:
    router = APIRouter()

    @router.get("/unsubscribe/{token:path}", response_class=HTMLResponse, include_in_schema=False)
    @router.get("/unsubscribe/{token}", response_class=HTMLResponse, include_in_schema=False)
    async def unsubscribe_page(request: Request, token: str) -> Response:
        try:
            send_id = runtime.links.send_id_of(token, "unsubscribe")
            if repaired := repaired_address(request, runtime.links, "unsubscribe", written=token, send_id=send_id):
                return RedirectResponse(repaired, 303, {"Cache-Control": "no-store"})
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

    @router.post("/unsubscribe/{token:path}", include_in_schema=False)
    @router.post(
        "/unsubscribe/{token}",
        responses={
            **declared(404, 410),
            200: {"description": "A mail program's one-click request: done."},
            202: {"description": "The same for a survey that is not known here yet: pending until it is."},
            303: {"description": "The page's form was posted: redirect to the page with the result."},
        },
        openapi_extra={"requestBody": {"content": {media: {"schema": _FORM} for media in FORM_TYPES}}},
    )
    async def unsubscribe(request: Request, token: str) -> Response:
        """Unsubscribes from all surveys. A mail program posts ``List-Unsubscribe=One-Click`` (RFC 8058) and is never
        redirected. Our page posts ``wish=unsubscribe``, or ``wish=resubscribe`` to undo it. Nothing else is accepted: a
        scanner that posts to every address unsubscribes nobody."""
        try:
            send_id = runtime.links.send_id_of(token, "unsubscribe")
            form = await read_form(request)
            wish = _WISHES.get(form.get("wish", ""))
            one_click = form.get("List-Unsubscribe", "").strip() == "One-Click"
            if wish is None and not one_click:
                raise Problem(422, INVALID_REQUEST, detail=_ACCEPTED)
            done = await change_preference(runtime, send_id, wish or "unsubscribe")
        except UNAVAILABLE as error:
            if isinstance(error, BrokenLink) and is_json(request):
                raise broken_link_problem() from error
            return rendering.unavailable(request, error)
        if one_click:
            # A mail program only looks at the status, and redirects are forbidden here (RFC 8058 §3.1).
            return Response(status_code=200 if done else 202)
        step = "back" if wish == "resubscribe" else None
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
