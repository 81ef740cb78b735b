"""``/v1/answers``: answers reported by the shop's backend."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header

from services.collector.actions.answers import answer_directly
from services.collector.actions.contention import Contended
from services.collector.domain.answers import (
    ANSWER_ERASED,
    AmbiguousId,
    AnswerAccepted,
    AnswerOfAnother,
    DirectAnswer,
    ErasedAnswer,
    GivenBeforeErasure,
    KeyReused,
    TooManyFurtherAnswers,
    UnknownCampaign,
    is_in_the_future,
)
from services.collector.settings import CollectorSettings
from shared.api_keys import Caller
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.parameters import known_parameters
from shared.web.problems import INVALID_REQUEST, TRY_AGAIN, Problem, declared

IdempotencyKey = Annotated[
    Identifier | None,
    Header(
        description="Any string, the same when you retry the request, for this API key and this body only. Not needed "
        "with an answer_id, and then ignored."
    ),
]


def routes(runtime: Runtime[CollectorSettings]) -> APIRouter:
    router = APIRouter(prefix="/v1", dependencies=[Depends(known_parameters)])

    @router.post("/answers", status_code=202, responses=declared(400, 401, 403, 409, 410))
    async def post_answer(
        body: DirectAnswer,
        caller: Annotated[Caller, Depends(require("answers:write"))],
        idempotency_key: IdempotencyKey = None,
    ) -> AnswerAccepted:
        """Records an answer given elsewhere. It is stored when this returns, and counted within seconds."""
        now = runtime.clock.now()
        if body.answered_at is not None and is_in_the_future(body.answered_at, now=now):
            raise _invalid("answered_at", f"is in the future; the server's time is {now.isoformat(timespec='seconds')}")
        try:
            return await answer_directly(runtime, body, caller=caller.name, idempotency_key=idempotency_key)
        except (ErasedAnswer, GivenBeforeErasure) as error:
            raise Problem(410, ANSWER_ERASED, detail=str(error)) from error
        except AnswerOfAnother as error:
            raise Problem(409, "The answer is another customer's", detail=str(error)) from error
        except AmbiguousId as error:
            raise Problem(409, "The answer's id is taken", detail=str(error)) from error
        except KeyReused as error:
            raise Problem(422, "The Idempotency-Key was used before", detail=str(error)) from error
        except (TooManyFurtherAnswers, UnknownCampaign) as error:
            raise _invalid(*str(error).split(": ", 1)) from error
        except Contended as error:
            raise Problem(503, TRY_AGAIN, detail=str(error), headers={"Retry-After": "1"}) from error

    return router


def _invalid(field: str, message: str) -> Problem:
    return Problem(422, INVALID_REQUEST, detail=f"{field}: {message}", errors=[{"field": field, "message": message}])
