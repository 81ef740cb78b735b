"""``/v1/customers``: erasing a customer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from services.collector.actions.erasures import erase_customer
from services.collector.settings import CollectorSettings
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.parameters import known_parameters
from shared.web.problems import declared

MAX_ORDERS = 500
OrderIds = Annotated[
    Sequence[Identifier],
    Query(
        max_length=MAX_ORDERS,
        description="Orders of the customer; may be repeated. Needed only to find answers that name an order and no "
        "customer, if no survey was sent about the order.",
    ),
]
_OF_GUESTS = (
    "this id is shared by everybody without an account (HEARBACK_GUEST_IDS), so that nobody who ordered under it is "
    "erased by it; erase each person under their own id, guest-…, which their survey.sent, answers and cases carry"
)
CustomerId = Annotated[Identifier, Path(description="The customer's id in the order events.")]


class ErasureDone(BaseModel):
    """How many answers and surveys held the customer's data. Other services follow within seconds.

    ``hint`` is there for an id that guests share: nobody who ordered under it is erased by it.
    """

    customer_id: str
    answers_erased: int
    surveys_erased: int
    erased_at: datetime
    hint: str | None = None


def routes(runtime: Runtime[CollectorSettings]) -> APIRouter:
    router = APIRouter(prefix="/v1", dependencies=[Depends(known_parameters)])

    @router.delete(
        "/customers/{customer_id:path}",
        dependencies=[Depends(require("customers:erase"))],
        responses=declared(401, 403),
    )
    async def delete_customer(customer_id: CustomerId, order_id: OrderIds = ()) -> ErasureDone:
        """Erases a customer's personal data, here and in every service. Idempotent."""
        done = await erase_customer(runtime, customer_id, order_id)
        return ErasureDone(
            customer_id=customer_id,
            answers_erased=done.answers,
            surveys_erased=done.sends,
            erased_at=done.erased_at,
            hint=_OF_GUESTS if runtime.guests.shares(customer_id) else None,
        )

    return router
