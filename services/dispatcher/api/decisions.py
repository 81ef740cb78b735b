"""Why a customer was, or was not, surveyed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from services.dispatcher.queries import decisions
from services.dispatcher.queries.decisions import DecisionEntry
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.paging import CursorQuery, read_cursor, write_cursor

CustomerId = Annotated[Identifier, Path(description="The customer's id, as in the shop's order events.")]


class DecisionList(BaseModel):
    """Newest first. ``next_cursor`` is null at the end."""

    decisions: list[DecisionEntry]
    next_cursor: str | None


def routes(runtime: Runtime[DispatcherSettings]) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/customers/{customer_id:path}/decisions", dependencies=[Depends(require("decisions:read"))])
    async def list_decisions(
        customer_id: CustomerId,
        cursor: CursorQuery = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> DecisionList:
        """Every decision about this customer, newest first: why they were surveyed, or why not."""
        position = read_cursor(cursor, int)
        before = None if position is None else position[0]
        async with runtime.read_only() as connection:
            page = await decisions.of_customer(connection, customer_id, before=before, limit=limit)
        return DecisionList(
            decisions=[entry for _, entry in page.entries],
            next_cursor=None if page.last is None else write_cursor(page.last[0]),
        )

    return router
