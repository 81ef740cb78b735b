"""``/v1/answers``: answers reported by the shop's backend."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Header

from services.collector.actions.answers import answer_directly
from services.collector.actions.contention import Contended
from services.collector.domain.answers import (
    ANSWER_ERASED,
    AnswerAccepted,
    DirectAnswer,
    ErasedAnswer,
    TooManyFurtherAnswers,
    is_in_the_future,
    time_ordered_id,
)
from services.collector.settings import CollectorSettings
from shared.contracts import identity
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.problems import INVALID_REQUEST, TRY_AGAIN, Problem

IdempotencyKey = Annotated[
    Identifier | None,
    Header(description="Any string, the same when you retry the request; not needed with an answer_id."),
]


def routes(runtime: Runtime[CollectorSettings]) -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/answers", status_code=202, dependencies=[Depends(require("answers:write"))])
    async def post_answer(body: DirectAnswer, idempotency_key: IdempotencyKey = None) -> AnswerAccepted:
        """Records an answer given elsewhere. It is stored when this returns, and counted within seconds."""
        now = runtime.clock.now()
        if body.answered_at is not None and is_in_the_future(body.answered_at, now=now):
            raise _invalid("answered_at", f"is in the future; the server's time is {now.isoformat(timespec='seconds')}")
        answer_id = body.answer_id or (
            identity.keyed_answer_id(idempotency_key)
            if idempotency_key
            else time_ordered_id(now, randomness=secrets.randbits(74))
        )
        try:
            return await answer_directly(runtime, answer_id, body.parts())
        except ErasedAnswer as error:
            raise Problem(410, ANSWER_ERASED, detail=str(error)) from error
        except TooManyFurtherAnswers as error:
            raise Problem(422, INVALID_REQUEST, detail=str(error)) from error
        except Contended as error:
            raise Problem(503, TRY_AGAIN, detail=str(error), headers={"Retry-After": "1"}) from error

    return router


def _invalid(field: str, message: str) -> Problem:
    return Problem(422, INVALID_REQUEST, detail=f"{field}: {message}", errors=[{"field": field, "message": message}])
