"""The API for the shop's own backend: answers from elsewhere, and erasure."""

import secrets
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path
from pydantic import BaseModel

from services.collector.actions.answers import Contended, answer_directly
from services.collector.actions.erasure import erase_customer
from services.collector.api.bodies import AnswerAccepted, DirectAnswer
from services.collector.domain.answers import ErasedAnswer, TooManyFurtherAnswers, too_early
from services.collector.settings import CollectorSettings
from shared.contracts import identity
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.problems import Problem

IdempotencyKey = Annotated[
    Identifier | None,
    Header(description="Any string of yours, the same when the request is repeated; not needed with an answer_id."),
]
CustomerId = Annotated[Identifier, Path(description="The customer's id in the order events.")]


class ErasureDone(BaseModel):
    """How many answers and surveys held data of the customer. Other services follow within seconds."""

    customer_id: str
    answers_erased: int
    surveys_erased: int
    erased_at: datetime


def routes(runtime: Runtime[CollectorSettings]) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/answers", status_code=202, dependencies=[Depends(require("answers:write"))])
    async def post_answer(body: DirectAnswer, idempotency_key: IdempotencyKey = None) -> AnswerAccepted:
        """Takes an answer given elsewhere. It is stored when this returns, and counts within seconds."""
        now = runtime.clock.now()
        if body.answered_at is not None and too_early(body.answered_at, now):
            raise _invalid("answered_at", f"lies in the future; it is {now.isoformat(timespec='seconds')} here")
        answer_id = body.answer_id or (
            identity.keyed_answer_id(idempotency_key) if idempotency_key else time_ordered_id(now)
        )
        try:
            answer = await answer_directly(runtime, answer_id, body.said())
        except ErasedAnswer as error:
            raise Problem(410, "The answer was erased", str(error)) from error
        except TooManyFurtherAnswers as error:
            raise Problem(422, "The request breaks the contract", str(error)) from error
        except Contended as error:
            raise Problem(503, "Try again shortly", str(error), {"Retry-After": "1"}) from error
        return AnswerAccepted(answer_id=answer.answer_id, revision=answer.revision)

    @router.delete("/customers/{customer_id:path}", dependencies=[Depends(require("customers:erase"))])
    async def delete_customer(customer_id: CustomerId) -> ErasureDone:
        """Erases what is personal of a customer, here and in every service. May be repeated."""
        done = await erase_customer(runtime, customer_id)
        return ErasureDone(
            customer_id=customer_id,
            answers_erased=done.answers,
            surveys_erased=done.sends,
            erased_at=done.erased_at,
        )

    return router


def time_ordered_id(now: datetime) -> str:
    """An answer id that follows time, which PostgreSQL's index likes: UUID version 7 (RFC 9562 §5.7)."""
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    number = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(UUID(int=number))


def _invalid(field: str, message: str) -> Problem:
    return Problem(
        422, "The request breaks the contract", f"{field}: {message}", errors=[{"field": field, "message": message}]
    )
