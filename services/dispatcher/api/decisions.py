"""Why a customer was, or was not, surveyed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from services.dispatcher.queries import decisions
from services.dispatcher.queries.decisions import DecisionEntry, SetAsideEvent
from services.dispatcher.settings import DispatcherSettings
from shared.contracts.types import Identifier
from shared.guests import Guests
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.paging import CursorQuery, read_cursor, write_cursor
from shared.web.parameters import known_parameters
from shared.web.problems import declared

CustomerId = Annotated[Identifier, Path(description="The customer's id, as in the shop's order events.")]


class DecisionList(BaseModel):
    """Newest first. ``next_cursor`` is null at the end.

    ``set_aside``, on the first page, has the newest events that became dead letters instead, of this customer or of one
    of their orders, as far as that could be found in them.

    ``customer_known`` is false, and ``hint`` says what may be the reason, if nothing that arrived was about this id.
    """

    customer_known: bool
    hint: str | None = None
    set_aside: list[SetAsideEvent] = []
    decisions: list[DecisionEntry]
    next_cursor: str | None


def _hint(customer_id: str, guests: Guests) -> str:
    if guests.shares(customer_id):
        return (
            "this id is shared by everybody without an account (HEARBACK_GUEST_IDS), so their decisions are under an "
            "id for each person, guest-…, which their surveys carry; to erase one of them, the collector takes what is "
            "known of them: POST /v1/guests/erase"
        )
    return (
        "no order event, request or preference that could be read was about this id; compare it with customer.id in "
        "the shop's events, in which case counts, and look for dead letters of orders (./hearback letters list)"
    )


def routes(runtime: Runtime[DispatcherSettings]) -> APIRouter:
    router = APIRouter(dependencies=[Depends(known_parameters)], responses=declared(401, 403))

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
            aside = await decisions.set_aside(connection, runtime.digests, customer_id) if before is None else []
            known = bool(page.entries) or await decisions.is_known(connection, customer_id)
        return DecisionList(
            customer_known=known,
            hint=None if known else aside[0].explanation if aside else _hint(customer_id, runtime.guests),
            set_aside=aside,
            decisions=[entry for _, entry in page.entries],
            next_cursor=None if page.last is None else write_cursor(page.last[0]),
        )

    return router
