"""Recording an answer: read, decide, write with its event, all in one transaction, before anything is acknowledged.

Optimistic locking: the write names the revision that was read; if another request changed it in between, it is read
and decided again, so that two concurrent requests leave one answer.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions.contention import ATTEMPTS, Contended
from services.collector.domain.answers import AnswerAccepted, AnswerParts, ErasedAnswer, StoredAnswer, answer_after
from services.collector.domain.surveys import Send, answerable
from services.collector.repository import answers, surveys
from services.collector.settings import CollectorSettings
from shared import metrics, tracing
from shared.contracts import answers as contract
from shared.contracts import identity
from shared.contracts.answers import Answer
from shared.runtime import Runtime


async def answer_survey(runtime: Runtime[CollectorSettings], send_id: str, given: AnswerParts) -> AnswerAccepted:
    """Records or amends the answer to a survey.

    Raises UnknownSurvey, ErasedSurvey, ClosedSurvey, ScoreMissing, TooManyFurtherAnswers or Contended; then nothing was
    recorded.
    """
    answer_id = identity.answer_id(send_id)
    for _ in range(ATTEMPTS):
        async with runtime.transaction() as connection:
            survey = answerable(await surveys.hold(connection, send_id), runtime.clock.now())
            if survey.stored is None:
                given = {**_facts(survey.send), **given}
            answer = await _store(connection, runtime, answer_id, survey.stored, given)
        if answer is not None:
            return AnswerAccepted(answer_id=answer_id, revision=answer.revision)
    raise Contended(f"answer {answer_id}")


async def answer_directly(runtime: Runtime[CollectorSettings], answer_id: str, given: AnswerParts) -> AnswerAccepted:
    """Records or amends an answer that the shop's own backend reports.

    Raises ErasedAnswer, ScoreMissing, TooManyFurtherAnswers or Contended; then nothing was recorded.
    """
    for _ in range(ATTEMPTS):
        async with runtime.transaction() as connection:
            stored = await answers.read(connection, answer_id)
            answer = await _store(connection, runtime, answer_id, stored, given)
        if answer is not None:
            return AnswerAccepted(answer_id=answer_id, revision=answer.revision)
    raise Contended(f"answer {answer_id}")


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
    if not await answers.put(connection, answer):
        return None
    event = contract.event(answer, traceparent=tracing.current())
    await runtime.outbox.put(connection, [event])
    metrics.answers.labels(answer.channel, event.type.removeprefix("answer.")).inc()
    return answer
