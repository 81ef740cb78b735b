"""The HTTP side: pages for reading emails, and the API used by simulated customers and the courier."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from deploy.local.mailbox.message import content_of
from deploy.local.mailbox.store import MessageStore, StoredMessage

FOLDER = Path(__file__).parent
MAILS_PER_PAGE = 50
MAX_MAILS_PER_REQUEST = 1000
# An email is untrusted content: no scripts, no forms, nothing loaded but images; links open a new tab.
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; img-src * data:; style-src 'unsafe-inline'"
)


def routes(store: MessageStore) -> APIRouter:
    router = APIRouter()
    templates = Jinja2Templates(FOLDER / "templates")

    @router.get("/", response_class=HTMLResponse)
    async def list_page(request: Request, to: str | None = None, before: int | None = None) -> HTMLResponse:
        found = await store.before(before, limit=MAILS_PER_PAGE + 1, recipient=to)
        shown = found[:MAILS_PER_PAGE]
        context = {
            "messages": shown,
            "newest_id": shown[0].id if shown and before is None else 0,
            "older_than": shown[-1].id if len(found) > MAILS_PER_PAGE else None,
            "to": to or "",
            "count": await store.count(),
        }
        return templates.TemplateResponse(request, "list.html", context)

    @router.get("/messages/{number}", response_class=HTMLResponse)
    async def message_page(request: Request, number: int) -> HTMLResponse:
        message = await _existing(store, number)
        context = {"message": message, "content": content_of(message.raw)}
        return templates.TemplateResponse(request, "message.html", context)

    @router.get("/messages/{number}/body", response_class=HTMLResponse)
    async def message_body(number: int) -> HTMLResponse:
        """The HTML part for the page's frame, with links that open in a new tab."""
        content = content_of((await _existing(store, number)).raw)
        body = '<!doctype html><base target="_blank">' + content.html
        return HTMLResponse(body, headers={"Content-Security-Policy": MAIL_POLICY})

    @router.get("/api/messages")
    async def messages(
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_MAILS_PER_REQUEST)] = 100,
        to: str | None = None,
    ) -> JSONResponse:
        """Emails with an id above `after`, oldest first. Continue with the last id."""
        found = await store.after(after, limit=limit, recipient=to)
        return JSONResponse({"messages": [_as_json(message) for message in found]})

    @router.get("/api/messages/{number}")
    async def message_json(number: int) -> JSONResponse:
        return JSONResponse(_as_json(await _existing(store, number)))

    @router.get("/api/messages/{number}/html", response_class=HTMLResponse)
    async def message_html(number: int) -> HTMLResponse:
        """The HTML part as it was sent."""
        content = content_of((await _existing(store, number)).raw)
        return HTMLResponse(content.html, headers={"Content-Security-Policy": MAIL_POLICY})

    @router.get("/api/receipts")
    async def receipt(message_id: Annotated[str, Query(min_length=1, max_length=998)]) -> JSONResponse:
        """Whether an email with this Message-ID was accepted, for a sender that crashed before the response."""
        return JSONResponse({"accepted": await store.accepted(message_id)})

    @router.get("/healthz")
    @router.get("/readyz")
    async def ready() -> JSONResponse:
        if (obstacle := store.obstacle()) is not None:
            return JSONResponse({"status": "unavailable", "reason": obstacle}, 503)
        return JSONResponse({"status": "ok", "messages": await store.count()})

    return router


def static_files() -> StaticFiles:
    return StaticFiles(directory=FOLDER / "static")


async def _existing(store: MessageStore, number: int) -> StoredMessage:
    message = await store.get(number)
    if message is None:
        raise HTTPException(404, f"No mail {number}: it never existed, or has been replaced by newer ones.")
    return message


def _as_json(message: StoredMessage) -> dict[str, Any]:
    content = content_of(message.raw)
    return {
        "id": message.id,
        "message_id": message.message_id,
        "from": message.sender,
        "to": message.recipient,
        "subject": message.subject,
        "received_at": message.received_at,
        "links": content.links,
        "headers": content.headers,
        "text": content.text,
    }
