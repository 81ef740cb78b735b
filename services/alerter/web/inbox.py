"""The inbox: pages for the people who answer customers. They work without script; the script makes them quick."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from services.alerter.actions.cases import NoSuchCase, Staff, UnknownRootCause
from services.alerter.api.cases import STATUSES, CaseId, read_cursor, write_cursor
from services.alerter.domain.case import Case
from services.alerter.domain.transitions import CLOSE_REASONS, CONTACT_WAYS, CloseReason, ContactWay, Refused, Stale
from services.alerter.repository.cases import MOST_COUNTED, Wanted
from services.alerter.settings import AlerterSettings
from services.alerter.web.views import case_view, install, row_view
from shared.runtime import Runtime
from shared.web.auth import Caller
from shared.web.auth import staff as signed_in
from shared.web.pages import Pages
from shared.web.problems import Problem

EVERY_QUEUE = "any"
_ROWS = 50
_STALE = (
    "Somebody changed this case while you were looking at it; below is how it stands now. "
    "What you typed is still there: send it again if it still fits."
)

Action = Literal["assign", "contact", "note", "close", "reopen"]
MayRead = Annotated[Caller, Depends(signed_in("cases:read"))]
MayWrite = Annotated[Caller, Depends(signed_in("cases:write"))]
_Text = Annotated[str, Form(max_length=5_000)]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list shows, as it stands in the address; empty is the default: all that wait in the first queue."""

    queue: str = ""
    status: str = ""
    owner: str = ""
    search: str = ""
    cursor: str = ""

    def address(self, path: str = "/", **other: str) -> str:
        """``path`` with these filters, ``other`` replacing some."""
        given = {name: value for name, value in {**asdict(self), **other}.items() if value}
        return f"{path}?{urlencode(given)}" if given else path

    def wanted(self, first_queue: str) -> Wanted:
        queue = self.queue or first_queue
        status = self.status if self.status in STATUSES else "waiting"
        return Wanted(
            queue="" if queue == EVERY_QUEUE else queue,
            status="" if status == "any" else status,
            owner=self.owner,
            search=self.search,
        )


def _filters(
    queue: Annotated[str, Query(max_length=100)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
    owner: Annotated[str, Query(max_length=100)] = "",
    search: Annotated[str, Query(max_length=200)] = "",
    cursor: Annotated[str, Query(max_length=300)] = "",
) -> Filters:
    return Filters(queue, status, owner, search, cursor)


GivenFilters = Annotated[Filters, Depends(_filters)]


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody sent with a form; given back to them when it could not be done."""

    action: Action | None
    sequence: int
    text: str = ""
    owner: str = ""
    way: str = "email"
    reason: str = "resolved"
    root_cause: str = ""


class Inbox:
    """Gathers what the templates show."""

    def __init__(self, runtime: Runtime[AlerterSettings], staff: Staff, pages: Pages) -> None:
        self._runtime = runtime
        self._staff = staff
        self._pages = pages
        install(pages.env, runtime.settings.zone)

    async def page(
        self,
        request: Request,
        caller: Caller,
        filters: Filters,
        case_id: str | None,
        trouble: str = "",
        typed: Typed | None = None,
    ) -> HTMLResponse:
        """The whole page. Without ``case_id`` the first case of the list is shown beside it, where there is room."""
        context = await self._list(caller, filters, case_id)
        shown = case_id or next((row["case_id"] for row in context["rows"]), None)
        context["selected"] = shown
        context |= await self._case(caller, shown, trouble, typed)
        context |= {
            "brand": self._runtime.brand,
            "caller": caller,
            "settings": self._runtime.settings,
            "opened": case_id is not None,
            "refresh_seconds": self._runtime.settings.inbox_refresh_seconds,
        }
        status = 409 if trouble else 404 if case_id and context["case"] is None else 200
        return self._pages.TemplateResponse(request, "inbox.html", context, status)

    async def list_part(self, request: Request, caller: Caller, filters: Filters) -> HTMLResponse:
        """The list, none of its cases marked as shown: the page knows best which one that is by now."""
        context = await self._list(caller, filters, None)
        return self._pages.TemplateResponse(request, "list.html", context)

    async def case_part(self, request: Request, caller: Caller, filters: Filters, case_id: str) -> HTMLResponse:
        context = {"filters": filters, **await self._case(caller, case_id, "", None)}
        return self._pages.TemplateResponse(request, "case.html", context, 404 if context["case"] is None else 200)

    async def _list(self, caller: Caller, filters: Filters, case_id: str | None) -> dict[str, Any]:
        routing, counts = await self._staff.queues()
        first_queue = next(iter(routing.queues))
        wanted = filters.wanted(first_queue)
        page = await self._staff.page(wanted, read_cursor(filters.cursor), _ROWS)
        now = self._staff.now()
        return {
            "filters": filters,
            "wanted": wanted,
            "queues": [
                {
                    "name": name,
                    "title": title,
                    "count": f"{MOST_COUNTED}+" if counts[name] >= MOST_COUNTED else counts[name],
                    "address": filters.address(queue=name, cursor=""),
                }
                for name, title in routing.queues.items()
            ],
            "rows": [row_view(case, page.around[case.case_id], now) for case in page.cases],
            "next_page": None if page.after is None else filters.address(cursor=write_cursor(page.after)),
            "selected": case_id,
            "filtered": bool(wanted.search or wanted.owner or wanted.status != "waiting"),
            "caller": caller,
        }

    async def _case(self, caller: Caller, case_id: str | None, trouble: str, typed: Typed | None) -> dict[str, Any]:
        context: dict[str, Any] = {
            "case": None,
            "missing": case_id is not None,
            "trouble": trouble,
            "typed": typed or Typed(None, 0),
            "may_write": caller.may("cases:write"),
            "me": caller.name,
            "ways": CONTACT_WAYS,
            "reasons": CLOSE_REASONS,
            "root_causes": [],
        }
        if case_id is None:
            return context
        try:
            story = await self._staff.story(case_id)
        except NoSuchCase:
            return context
        routing, _ = await self._staff.queues()
        return context | {
            "case": case_view(story, routing, caller.name, self._staff.now()),
            "root_causes": routing.root_causes,
        }

    async def act(self, case_id: str, action: Action, caller: Caller, typed: Typed) -> Case:
        """Raises what ``Staff`` raises, and Refused for words no form of ours sends."""
        taken: dict[Action, Callable[[], Awaitable[Case]]] = {
            "assign": lambda: self._staff.assign(
                case_id, typed.sequence, caller.name, typed.owner.strip()[:100] or caller.name
            ),
            "contact": lambda: self._staff.contact(case_id, typed.sequence, caller.name, _way(typed.way), typed.text),
            "note": lambda: self._staff.note(case_id, typed.sequence, caller.name, typed.text),
            "close": lambda: self._staff.close(
                case_id, typed.sequence, caller.name, _reason(typed.reason), typed.root_cause or None, typed.text
            ),
            "reopen": lambda: self._staff.reopen(case_id, typed.sequence, caller.name, typed.text),
        }
        return await taken[action]()


def add_routes(app: FastAPI, runtime: Runtime[AlerterSettings], staff: Staff, pages: Pages) -> None:
    inbox = Inbox(runtime, staff, pages)

    @app.get("/", include_in_schema=False)
    async def whole(request: Request, caller: MayRead, filters: GivenFilters) -> HTMLResponse:
        return await inbox.page(request, caller, filters, None)

    @app.get("/cases/{case_id}", include_in_schema=False)
    async def opened(request: Request, caller: MayRead, filters: GivenFilters, case_id: CaseId) -> HTMLResponse:
        return await inbox.page(request, caller, filters, case_id)

    @app.get("/parts/list", include_in_schema=False)
    async def list_part(request: Request, caller: MayRead, filters: GivenFilters) -> HTMLResponse:
        return await inbox.list_part(request, caller, filters)

    @app.get("/parts/cases/{case_id}", include_in_schema=False)
    async def case_part(request: Request, caller: MayRead, filters: GivenFilters, case_id: CaseId) -> HTMLResponse:
        return await inbox.case_part(request, caller, filters, case_id)

    @app.post("/cases/{case_id}/{action}", include_in_schema=False)
    async def act(
        request: Request,
        caller: MayWrite,
        filters: GivenFilters,
        case_id: CaseId,
        action: Action,
        sequence: Annotated[int, Form(ge=1)],
        text: _Text = "",
        owner: Annotated[str, Form(max_length=100)] = "",
        way: Annotated[str, Form(max_length=40)] = "email",
        reason: Annotated[str, Form(max_length=40)] = "resolved",
        root_cause: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        """A form of the case. What cannot be done is said above the form, with what was typed still in it."""
        typed = Typed(action, sequence, _storable(text), _storable(owner), way, reason, root_cause)
        try:
            await inbox.act(case_id, action, caller, typed)
        except NoSuchCase as error:
            raise Problem(404, "No such case", "no case has this id; the inbox lists them") from error
        except Stale:
            return await inbox.page(request, caller, filters, case_id, _STALE, typed)
        except (Refused, UnknownRootCause) as error:
            return await inbox.page(request, caller, filters, case_id, str(error), typed)
        return RedirectResponse(filters.address(f"/cases/{case_id}"), 303)


def _way(value: str) -> ContactWay:
    if value not in get_args(ContactWay):
        raise Refused(f"{value[:40]!r} is no way to contact somebody; choose one of the list.")
    return value  # type: ignore[return-value]  # it is one of them


def _reason(value: str) -> CloseReason:
    if value not in get_args(CloseReason):
        raise Refused(f"{value[:40]!r} is no reason to close a case; choose one of the list.")
    return value  # type: ignore[return-value]  # it is one of them


def _storable(text: str) -> str:
    """Browsers send line ends as CR LF; U+0000 and half pairs, which nobody types, cannot be stored."""
    return text.replace("\r\n", "\n").replace("\x00", "").encode("utf-8", "ignore").decode()
