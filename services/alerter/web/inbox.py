"""The inbox: pages for the staff who handle cases. They work without JavaScript; the script makes them faster."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from services.alerter.web.filters import GivenFilters
from services.alerter.web.page import InboxPage
from shared.contracts.types import Identifier
from shared.web.auth import Caller
from shared.web.auth import staff as signed_in

MayRead = Annotated[Caller, Depends(signed_in("cases:read"))]


def routes(page: InboxPage) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def inbox(request: Request, caller: MayRead, filters: GivenFilters) -> HTMLResponse:
        return await page.whole(request, caller, filters)

    @router.get("/cases/{case_id}")
    async def case(request: Request, caller: MayRead, filters: GivenFilters, case_id: Identifier) -> HTMLResponse:
        return await page.whole(request, caller, filters, case_id)

    @router.get("/parts/list")
    async def list_part(request: Request, caller: MayRead, filters: GivenFilters) -> HTMLResponse:
        return await page.list_part(request, caller, filters)

    @router.get("/parts/cases/{case_id}")
    async def case_part(request: Request, caller: MayRead, filters: GivenFilters, case_id: Identifier) -> HTMLResponse:
        return await page.case_part(request, caller, filters, case_id)

    return router
