"""The inbox's page and its parts: gathers the data for the templates."""

from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.case import NoSuchCase
from services.alerter.domain.case_list import Cursor
from services.alerter.domain.routing import Routing
from services.alerter.domain.transitions import CLOSE_REASONS, CONTACT_WAYS
from services.alerter.queries import cases as queries
from services.alerter.queries import routing as routing_rules
from services.alerter.settings import AlerterSettings
from services.alerter.web.filters import Filters
from services.alerter.web.views import case_view, install, row_view
from shared.api_keys import Caller
from shared.runtime import Runtime
from shared.web.pages import Pages
from shared.web.paging import read_cursor, write_cursor
from shared.web.problems import INVALID_REQUEST, Problem

_ROWS = 50

Action = Literal["assign", "contact", "note", "close", "reopen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormInput:
    """A form's input; shown again if the action failed."""

    action: Action | None
    sequence: int
    text: str = ""
    owner: str = ""
    way: str = "email"
    reason: str = ""
    root_cause: str = ""


class InboxPage:
    def __init__(self, runtime: Runtime[AlerterSettings], pages: Pages) -> None:
        self._runtime = runtime
        self._pages = pages
        install(pages.env, runtime.settings.zone)

    async def whole(
        self,
        request: Request,
        caller: Caller,
        filters: Filters,
        case_id: str | None = None,
        *,
        error: str = "",
        status: int = 200,
        form_input: FormInput | None = None,
    ) -> HTMLResponse:
        """The whole page; ``status`` is that of an ``error``.

        Without ``case_id``, the first case of the list is shown beside it, if there is room.
        """
        async with self._runtime.read_only() as connection:
            routing = (await routing_rules.current(connection)).routing
            context = await self._list(connection, routing, caller, filters)
            shown = case_id or next((row["case_id"] for row in context["rows"]), None)
            context |= await self._case(connection, routing, caller, shown, error=error, form_input=form_input)
        context |= {
            "selected": shown,
            "brand": self._runtime.brand,
            "settings": self._runtime.settings,
            "opened": case_id is not None,
            "refresh_seconds": self._runtime.settings.inbox_refresh_seconds,
        }
        status = 404 if case_id and context["case"] is None else status
        return await self._pages.respond(request, "inbox.html", context, status)

    async def list_part(self, request: Request, caller: Caller, filters: Filters) -> HTMLResponse:
        """The list, with no case marked as selected: only the page knows which one is."""
        async with self._runtime.read_only() as connection:
            routing = (await routing_rules.current(connection)).routing
            context = await self._list(connection, routing, caller, filters)
        return await self._pages.respond(request, "list.html", context)

    async def case_part(self, request: Request, caller: Caller, filters: Filters, case_id: str) -> HTMLResponse:
        async with self._runtime.read_only() as connection:
            routing = (await routing_rules.current(connection)).routing
            context = {"filters": filters, **await self._case(connection, routing, caller, case_id)}
        return await self._pages.respond(request, "case.html", context, 404 if context["case"] is None else 200)

    async def _list(
        self, connection: AsyncConnection, routing: Routing, caller: Caller, filters: Filters
    ) -> dict[str, Any]:
        case_filter = filters.case_filter(next(iter(routing.queues)))
        try:
            await queries.check_queue(connection, routing, case_filter.queue)
        except queries.NoSuchQueue as error:
            raise Problem(422, INVALID_REQUEST, detail=f"queue: {error}") from error
        after = read_cursor(filters.cursor, int, str)
        page = await queries.page(
            connection,
            self._runtime.digests,
            self._runtime.guests,
            case_filter,
            after=None if after is None else Cursor(*after),
            limit=_ROWS,
        )
        following = "" if page.last is None else write_cursor(*page.last.cursor)
        counts = await queries.queue_counts(connection, routing)
        now = self._runtime.clock.now()
        return {
            "filters": filters,
            "shown_queue": case_filter.queue,
            "queues": [
                {
                    "name": queue.name,
                    "title": queue.title,
                    "count": f"{queue.waiting}+" if queue.or_more else queue.waiting,
                    "address": filters.address(queue=queue.name, cursor=""),
                }
                for queue in counts
            ],
            "rows": [row_view(row.case, row.context, now) for row in page.entries],
            "next_page": filters.address(cursor=following) if following else None,
            "selected": None,
            "default_status": filters.default_status,
            "filtered": bool(case_filter.search or case_filter.owner or case_filter.status != "waiting"),
            "caller": caller,
        }

    async def _case(
        self,
        connection: AsyncConnection,
        routing: Routing,
        caller: Caller,
        case_id: str | None,
        *,
        error: str = "",
        form_input: FormInput | None = None,
    ) -> dict[str, Any]:
        context: dict[str, Any] = {
            "case": None,
            "missing": case_id is not None,
            "error": error,
            "form_input": form_input or FormInput(action=None, sequence=0),
            "may_write": caller.may("cases:write"),
            "me": caller.name,
            "ways": CONTACT_WAYS,
            "reasons": CLOSE_REASONS,
            "root_causes": routing.root_causes,
        }
        if case_id is None:
            return context
        try:
            detail = await queries.detail(connection, self._runtime.digests, self._runtime.guests, case_id)
        except NoSuchCase:
            return context
        return context | {"case": case_view(detail, routing, caller.name, self._runtime.clock.now())}
