"""``/v1/customers``: erasing a customer."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from services.collector.actions.erasures import erase_customer
from services.collector.settings import CollectorSettings
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require

CustomerId = Annotated[Identifier, Path(description="The customer's id in the order events.")]


class ErasureDone(BaseModel):
    """How many answers and surveys held the customer's data. Other services follow within seconds."""

    customer_id: str
    answers_erased: int
    surveys_erased: int
    erased_at: datetime


def routes(runtime: Runtime[CollectorSettings]) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.delete("/customers/{customer_id:path}", dependencies=[Depends(require("customers:erase"))])
    async def delete_customer(customer_id: CustomerId) -> ErasureDone:
        """Erases a customer's personal data, here and in every service. Idempotent."""
        done = await erase_customer(runtime, customer_id)
        return ErasureDone(
            customer_id=customer_id,
            answers_erased=done.answers,
            surveys_erased=done.sends,
            erased_at=done.erased_at,
        )

    return router
