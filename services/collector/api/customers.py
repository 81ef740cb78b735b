"""``/v1/customers`` and ``/v1/guests``: erasing a customer, or somebody without an account."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from services.collector.actions.erasures import GuestErasure, erase_customer, erase_guest
from services.collector.domain.guests import MAX_ORDERS, GuestKnownBy
from services.collector.queries import shared_ids
from services.collector.settings import CollectorSettings
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.parameters import known_parameters
from shared.web.problems import declared

OrderIds = Annotated[
    Sequence[Identifier],
    Query(
        max_length=MAX_ORDERS,
        description="Orders of the customer; may be repeated. Needed only to find answers that name an order and no "
        "customer, if no survey was sent about the order.",
    ),
]
_BY_WHAT_IS_KNOWN = (
    'POST /v1/guests/erase with {"email": "…"}, {"phone": "…"} or {"order_ids": ["…"]}, as in their orders'
)
_OF_GUESTS = (
    "this id is shared by everybody without an account (HEARBACK_GUEST_IDS), so that nobody who ordered under it is "
    f"erased by it; erase a guest by {_BY_WHAT_IS_KNOWN}"
)
_OF_SEVERAL_PEOPLE = (
    "this id turned out to be several people's: more email addresses ordered under it than one person has "
    "(HEARBACK_ADDRESSES_PER_CUSTOMER), so that each has an id of their own, guest-…, and none of them is erased by "
    f"this one; erase each by {_BY_WHAT_IS_KNOWN}"
)
_NOTHING_OF_CUSTOMER = (
    "no survey and no answer here was about this id (any more); what other services have of it is erased all the same. "
    "Compare it with customer.id in the shop's events, in which case counts. Somebody without an account has another "
    f"id here: erase them by {_BY_WHAT_IS_KNOWN}"
)
_NOTHING_OF_GUEST = (
    "no survey and no answer here was about these; what other services have of the ids in customer_ids, and of "
    "whichever guest placed these orders, is erased all the same. Give email, too, or phone if the order has no email: "
    "not every order may have been read yet. Whoever has an id in the shop is erased by DELETE /v1/customers/{id}"
)
CustomerId = Annotated[Identifier, Path(description="The customer's id in the order events.")]


class ErasureDone(BaseModel):
    """How many answers and surveys held the customer's data. Other services follow within seconds.

    ``hint`` is there for an id that is many people's, by which nobody who ordered under it is erased, and for one that
    nothing was about.
    """

    customer_id: str
    answers_erased: int
    surveys_erased: int
    erased_at: datetime
    hint: str | None = None


class GuestErased(BaseModel):
    """The ids under which the guest was known, or would have been, and how many answers and surveys held their data.

    ``hint`` is there if nothing here was about them, and if one of the orders is of somebody who is no guest.
    """

    customer_ids: list[str]
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
            hint=await _hint(runtime, customer_id, nothing=not (done.answers or done.sends)),
        )

    @router.post("/guests/erase", dependencies=[Depends(require("customers:erase"))], responses=declared(401, 403))
    async def erase_guest_known_by(known_by: GuestKnownBy) -> GuestErased:
        """Erases somebody without an account, known by an address or an order, here and in every service. Idempotent.

        In the body rather than the address of the request, which proxies write to their logs.
        """
        done = await erase_guest(runtime, known_by)
        return GuestErased(
            customer_ids=list(done.customer_ids),
            answers_erased=done.answers,
            surveys_erased=done.sends,
            erased_at=done.erased_at,
            hint=_hint_of_guest(done),
        )

    return router


def _hint_of_guest(done: GuestErasure) -> str | None:
    if done.orders_of_customers:
        return (
            f"of {', '.join(done.orders_of_customers)} nothing is erased: whoever placed them is no guest, but has an "
            "id in the shop; erase them by DELETE /v1/customers/{id}"
        )
    return None if done.answers or done.sends else _NOTHING_OF_GUEST


async def _hint(runtime: Runtime[CollectorSettings], customer_id: str, *, nothing: bool) -> str | None:
    if runtime.guests.shares(customer_id):
        return _OF_GUESTS
    async with runtime.read_only() as connection:
        if await shared_ids.among(connection, runtime.digests, runtime.guests, [customer_id]):
            return _OF_SEVERAL_PEOPLE
    return _NOTHING_OF_CUSTOMER if nothing else None
