"""Taking an answer: read, decide, write with its event, all in one transaction, before anything is acknowledged.

Nothing is locked against other answers. The write names the revision that was read; when another came between, it is
read and decided again, so that two who press at once leave one answer.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.domain.answers import ErasedAnswer, Said, answer_after
from services.collector.repository import sends as repository
from services.collector.repository.sends import Send, StoredAnswer, Survey
from services.collector.settings import CollectorSettings
from shared import metrics, tracing
from shared.contracts import identity, topics
from shared.contracts.answers import AMENDED, RECORDED, Answer
from shared.contracts.events import Event
from shared.runtime import Runtime

# Each round that fails means that another one succeeded, so this is how many at once may press on one answer.
_ROUNDS = 50


class UnknownSurvey(LookupError):
    """The send has not been consumed yet, or was removed long after its link closed."""


class ErasedSurvey(LookupError):
    """The customer's data was erased; there is nobody left to answer for."""


@dataclass
class ClosedSurvey(Exception):
    """The link is past its time."""

    survey: Survey


class Contended(TimeoutError):
    """Too many answered the same at the same moment; trying again helps."""


async def answer_survey(runtime: Runtime[CollectorSettings], send_id: str, said: Said) -> Answer:
    """Records or amends the answer of a survey; gives back how it stands then.

    Raises UnknownSurvey, ErasedSurvey, ClosedSurvey, ScoreMissing, TooManyFurtherAnswers or Contended; then nothing was
    recorded.
    """
    answer_id = identity.answer_id(send_id)
    for _ in range(_ROUNDS):
        async with runtime.transaction() as connection:
            survey = _open(await repository.hold_survey(connection, send_id, answer_id), runtime.clock.now())
            if survey.stored is None:
                said = {**_facts(survey.send), **said}
            answer = await _keep(runtime, connection, answer_id, survey.stored, said)
        if answer is not None:
            return answer
    raise Contended(f"answer {answer_id} changed {_ROUNDS} times while it was being amended")


async def answer_directly(runtime: Runtime[CollectorSettings], answer_id: str, said: Said) -> Answer:
    """Records or amends an answer the shop's own backend tells of.

    Raises ErasedAnswer, ScoreMissing, TooManyFurtherAnswers or Contended; then nothing was recorded.
    """
    for _ in range(_ROUNDS):
        async with runtime.transaction() as connection:
            stored = await repository.read_answer(connection, answer_id)
            answer = await _keep(runtime, connection, answer_id, stored, said)
        if answer is not None:
            return answer
    raise Contended(f"answer {answer_id} changed {_ROUNDS} times while it was being amended")


def _open(survey: Survey | None, now: datetime) -> Survey:
    """The survey, when it may be answered."""
    if survey is None:
        raise UnknownSurvey("the survey is not known here yet; try again in a few seconds")
    if survey.send.erased_at is not None or (survey.stored is not None and survey.stored.answer is None):
        raise ErasedSurvey("the data of this survey's customer was erased")
    if now > survey.send.expires_at:
        raise ClosedSurvey(survey)
    return survey


def _facts(send: Send) -> Said:
    """What the send knows about its answer; taken when the survey is first answered."""
    facts: Said = {
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


async def _keep(
    runtime: Runtime[CollectorSettings],
    connection: AsyncConnection,
    answer_id: str,
    stored: StoredAnswer | None,
    said: Said,
) -> Answer | None:
    """The answer as it stands after ``said``, written if that changed it; None when another came between."""
    if stored is not None and stored.answer is None:
        raise ErasedAnswer(f"answer_id: {answer_id} was erased; what is said under it is not taken any more")
    current = stored.answer if stored else None
    answer = answer_after(current, answer_id, said, runtime.clock.now())
    if answer is None:
        assert current is not None
        metrics.answers.labels(current.channel, "repeated").inc()
        return current
    if not await repository.put_answer(connection, answer):
        return None
    kind = RECORDED if answer.revision == 1 else AMENDED
    event = Event(
        topic=topics.ANSWERS.name,
        key=answer_id,
        event_id=identity.event_id(kind, answer_id, answer.revision),
        type=kind,
        time=answer.received_at,
        body=answer,
        traceparent=tracing.current(),
    )
    await runtime.outbox.put(connection, [event])
    metrics.answers.labels(answer.channel, kind.removeprefix("answer.")).inc()
    return answer
