"""Recording an answer: read, decide, write with its event, all in one transaction, before anything is acknowledged.

Optimistic locking: the write names the revision that was read; if another request changed it in between, it is read
and decided again, so that two concurrent requests leave one answer.
"""

import secrets
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions.contention import ATTEMPTS, Contended
from services.collector.domain.answers import (
    AmbiguousId,
    AnswerAccepted,
    AnswerParts,
    DirectAnswer,
    ErasedAnswer,
    GivenBeforeErasure,
    KeyReused,
    StoredAnswer,
    UnknownCampaign,
    answer_after,
    repeats,
    time_ordered_id,
)
from services.collector.domain.surveys import Send, answerable, score_stays
from services.collector.repository import answers, campaigns, erasures, surveys
from services.collector.settings import CollectorSettings
from shared import metrics, tracing
from shared.contracts import answers as contract
from shared.contracts import identity
from shared.contracts.answers import Answer
from shared.erasures import is_erased
from shared.runtime import Runtime

_CAMPAIGNS_NAMED = 20
"""How many campaigns an error lists."""


async def answer_survey(runtime: Runtime[CollectorSettings], send_id: str, given: AnswerParts) -> AnswerAccepted:
    """Records or amends the answer to a survey.

    Raises UnknownSurvey, ErasedSurvey, ClosedSurvey, ScoreMissing, TooManyFurtherAnswers or Contended; then nothing was
    recorded.
    """
    answer_id = identity.answer_id(send_id)
    for _ in range(ATTEMPTS):
        async with runtime.transaction() as connection:
            held = await surveys.hold(connection, send_id)
            survey = answerable(held, runtime.clock.now(), score_stays=score_stays(held, given.get("score")))
            if survey.stored is None:
                given = {**_facts(survey.send), **given}
            answer = await _store(connection, runtime, answer_id, survey.stored, given)
        if answer is not None:
            return AnswerAccepted(answer_id=answer_id, revision=answer.revision)
    raise Contended(f"answer {answer_id}")


async def answer_directly(
    runtime: Runtime[CollectorSettings], body: DirectAnswer, *, caller: str, idempotency_key: str | None
) -> AnswerAccepted:
    """Records or amends an answer that the shop's own backend reports; ``caller`` is the name of its API key.

    A request that is repeated with its ``idempotency_key`` changes nothing, even if the answer was amended in between.
    Raises ErasedAnswer, GivenBeforeErasure, AnswerOfAnother, KeyReused, AmbiguousId, UnknownCampaign,
    TooManyFurtherAnswers or Contended; then nothing was recorded.
    """
    began = runtime.clock.now()
    key = idempotency_key if body.answer_id is None else None
    digest = None if key is None else body.digest()
    if body.answer_id is not None:
        answer_id = body.answer_id
    elif key is not None:
        answer_id = identity.keyed_answer_id(caller=caller, idempotency_key=key)
    else:
        answer_id = time_ordered_id(began, randomness=secrets.randbits(74))
    given = body.parts()
    for _ in range(ATTEMPTS):
        async with runtime.transaction() as connection:
            await _hold_off_erasures(connection, runtime, given, began)
            stored = await answers.read(connection, answer_id)
            if stored is None and key is not None:
                repeated = await _recorded_under_unowned_key(connection, key, given, began)
                if repeated is not None:
                    return repeated
            if digest is not None and stored is not None and stored.answer is not None:
                if stored.request_digest != digest:
                    raise KeyReused
                return AnswerAccepted(answer_id=answer_id, revision=stored.revision)
            if stored is None and body.answer_id is not None and await answers.is_key_taken(connection, answer_id):
                raise AmbiguousId
            await _check_campaign(connection, stored, body.campaign)
            answer = await _store(connection, runtime, answer_id, stored, given, request_digest=digest)
        if answer is not None:
            return AnswerAccepted(answer_id=answer_id, revision=answer.revision)
    raise Contended(f"answer {answer_id}")


async def _hold_off_erasures(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], given: AnswerParts, began: datetime
) -> None:
    """Until the transaction ends, nobody whom the answer names is erased. Raises GivenBeforeErasure if that happened
    after the answer was given or, if that is not known, after the request began."""
    customer_id = given.get("customer_id")
    order_id = given.get("order_id") if customer_id is None else None
    if customer_id is not None:
        await erasures.hold_off_for_customer(connection, customer_id)
        erased_at = await erasures.customer_erased_at(connection, runtime.digests.digest(customer_id))
    elif order_id is not None:
        await erasures.hold_off_for_orders(connection)
        erased_at = await erasures.order_erased_at(connection, runtime.digests.order(order_id))
    else:
        return
    if is_erased(given.get("answered_at", began), erased_at=erased_at):
        raise GivenBeforeErasure


async def _recorded_under_unowned_key(
    connection: AsyncConnection, key: str, given: AnswerParts, now: datetime
) -> AnswerAccepted | None:
    """What a version until 0.1.0 acknowledged for the same request, which is being retried after an upgrade."""
    answer_id = identity.unowned_keyed_answer_id(key)
    stored = await answers.read(connection, answer_id)
    if stored is None or stored.answer is None or not repeats(stored.answer, given, now):
        return None
    return AnswerAccepted(answer_id=answer_id, revision=stored.revision)


async def _check_campaign(connection: AsyncConnection, stored: StoredAnswer | None, campaign: str | None) -> None:
    """Raises UnknownCampaign: a misspelt one would become a campaign of its own in every report."""
    kept = stored.answer.campaign if stored and stored.answer else None
    if campaign is not None and campaign != kept and not await campaigns.is_published(connection, campaign):
        raise UnknownCampaign(campaign, await campaigns.published(connection, _CAMPAIGNS_NAMED))


def _facts(send: Send) -> AnswerParts:
    """The answer's fields known from the send; copied when the survey is first answered."""
    facts: AnswerParts = {
        "channel": send.channel,
        "send_id": send.send_id,
        "order_id": send.order_id,
        "campaign": send.campaign,
        "campaign_version": send.campaign_version,
        "segments": send.segments,
        "locale": send.locale,
    }
    if send.customer_id is not None:
        facts["customer_id"] = send.customer_id
    return facts


async def _store(
    connection: AsyncConnection,
    runtime: Runtime[CollectorSettings],
    answer_id: str,
    stored: StoredAnswer | None,
    given: AnswerParts,
    *,
    request_digest: bytes | None = None,
) -> Answer | None:
    """The answer after ``given``, written if that changed it; None if another request changed it in between."""
    if stored is not None and stored.answer is None:
        raise ErasedAnswer(answer_id)
    current = stored.answer if stored else None
    answer = answer_after(current, answer_id, given, runtime.clock.now())
    if answer is None:
        assert current is not None
        metrics.answers.labels(current.channel, "repeated").inc()
        return current
    if not await answers.put(connection, answer, request_digest=request_digest):
        return None
    event = contract.event(answer, traceparent=tracing.current())
    await runtime.outbox.put(connection, [event])
    metrics.answers.labels(answer.channel, event.type.removeprefix("answer.")).inc()
    return answer
