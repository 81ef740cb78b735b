"""The inbox: pages for the staff who handle cases. They work without JavaScript; the script makes them faster."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from services.alerter.settings import AlerterSettings
from services.alerter.web.filters import GivenFilters
from services.alerter.web.inbox_page import InboxPage
from shared.api_keys import Caller
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import staff

StaffMayRead = Annotated[Caller, Depends(staff("cases:read"))]


def routes(_runtime: Runtime[AlerterSettings], page: InboxPage) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def inbox(request: Request, caller: StaffMayRead, filters: GivenFilters) -> HTMLResponse:
        return await page.whole(request, caller, filters)

    @router.get("/cases/{case_id}")
    async def case(request: Request, caller: StaffMayRead, filters: GivenFilters, case_id: Identifier) -> HTMLResponse:
        return await page.whole(request, caller, filters, case_id)

    @router.get("/parts/list")
    async def list_part(request: Request, caller: StaffMayRead, filters: GivenFilters) -> HTMLResponse:
        return await page.list_part(request, caller, filters)

    @router.get("/parts/cases/{case_id}")
    async def case_part(
        request: Request, caller: StaffMayRead, filters: GivenFilters, case_id: Identifier
    ) -> HTMLResponse:
        return await page.case_part(request, caller, filters, case_id)

    return router
