"""``/v1/answers``: answers reported by the shop's backend."""

from collections.abc import Mapping
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Header, Request
from pydantic import TypeAdapter, ValidationError

from services.collector.actions.answer_writer import AnswerWriter
from services.collector.actions.contention import Contended, Overloaded
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
from shared.api_keys import Authenticator, Caller
from shared.contracts.types import Identifier
from shared.runtime import Runtime
from shared.web.auth import require
from shared.web.parameters import known_parameters
from shared.web.plain import Reply, Submitted, submitted
from shared.web.problems import INVALID_REQUEST, TRY_AGAIN, Problem, declared

IdempotencyKey = Annotated[
    Identifier | None,
    Header(
        description="Any string, the same when you retry the request, for this API key and this body only. Not needed "
        "with an answer_id, and then ignored."
    ),
]
_BEARER = b"Bearer "
_JSON = ((b"content-type", b"application/json"),)
_read_key: TypeAdapter[str] = TypeAdapter(Identifier)


def routes(runtime: Runtime[CollectorSettings], writer: AnswerWriter) -> APIRouter:
    router = APIRouter(prefix="/v1", dependencies=[Depends(known_parameters)])

    @router.post("/answers", status_code=202, responses=declared(400, 401, 403, 409, 410))
    async def post_answer(
        request: Request,
        body: DirectAnswer,
        caller: Annotated[Caller, Depends(require("answers:write"))],
        idempotency_key: IdempotencyKey = None,
    ) -> AnswerAccepted:
        """Records an answer given elsewhere. It is stored when this returns, and counted within seconds."""
        now = runtime.clock.now()
        if body.answered_at is not None and is_in_the_future(body.answered_at, now=now):
            raise _invalid("answered_at", f"is in the future; the server's time is {now.isoformat(timespec='seconds')}")
        try:
            return await (
                submitted(request) or writer.submit_directly(body, caller=caller.name, idempotency_key=idempotency_key)
            )
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
        except (Contended, Overloaded) as error:
            raise Problem(503, TRY_AGAIN, detail=str(error), headers={"Retry-After": "1"}) from error

    return router


class PlainAnswers:
    """What ``POST /v1/answers`` does with an answer that is plainly in order; see ``shared.web.plain``."""

    template = "/v1/answers"
    media_type = b"application/json"

    def __init__(self, runtime: Runtime[CollectorSettings], writer: AnswerWriter, authenticator: Authenticator) -> None:
        self._clock = runtime.clock
        self._writer = writer
        self._authenticator = authenticator

    def takes(self, path: str) -> bool:
        return path == self.template

    def submit(self, _path: str, headers: Mapping[bytes, bytes], body: bytes) -> Submitted[AnswerAccepted] | None:
        authorization = headers.get(b"authorization", b"")
        if not authorization.startswith(_BEARER):
            return None
        caller = self._authenticator.caller(authorization[len(_BEARER) :].decode("latin-1"))
        if caller is None or not caller.may("answers:write"):
            return None
        written_key = headers.get(b"idempotency-key")
        try:
            answer = DirectAnswer.model_validate(orjson.loads(body))
            key = None if written_key is None else _read_key.validate_python(written_key.decode("latin-1"))
        except (orjson.JSONDecodeError, ValidationError):
            return None
        if answer.answered_at is not None and is_in_the_future(answer.answered_at, now=self._clock.now()):
            return None
        try:
            accepted = self._writer.submit_directly(answer, caller=caller.name, idempotency_key=key)
        except Overloaded:
            return None
        return Submitted(accepted, _reply)


def _reply(accepted: AnswerAccepted) -> Reply:
    return Reply(202, _JSON, orjson.dumps(accepted.__dict__))


def _invalid(field: str, message: str) -> Problem:
    return Problem(422, INVALID_REQUEST, detail=f"{field}: {message}", errors=[{"field": field, "message": message}])
