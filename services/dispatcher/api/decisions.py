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

CustomerId = Annotated[Identifier, Path(description="The customer's id, as the shop gave it in order events.")]


class DecisionList(BaseModel):
    """Newest first. ``next_cursor`` is null at the end."""

    decisions: list[DecisionEntry]
    next_cursor: str | None


def routes(runtime: Runtime[DispatcherSettings]) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/customers/{customer_id:path}/decisions", dependencies=[Depends(require("decisions:read"))])
    async def list_decisions(
        customer_id: CustomerId,
        cursor: Annotated[str, Query(pattern=r"^\d{0,18}$", description="next_cursor of the page before.")] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> DecisionList:
        """Every decision about this customer, newest first: why they were surveyed, or why not."""
        before = int(cursor) if cursor else None
        async with runtime.reading() as connection:
            entries, following = await decisions.of_customer(connection, customer_id, before=before, limit=limit)
        return DecisionList(decisions=list(entries), next_cursor=None if following is None else str(following))

    return router
