"""A request to record or amend an answer, and what it becomes of what is stored: decided here, whoever asks."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from services.collector.domain.answers import (
    AmbiguousId,
    AnswerOfAnother,
    AnswerParts,
    DirectAnswer,
    ErasedAnswer,
    GivenBeforeErasure,
    KeyReused,
    ScoreMissing,
    StoredAnswer,
    TooManyFurtherAnswers,
    UnknownCampaign,
    answer_after,
    repeats,
    time_ordered_id,
)
from services.collector.domain.surveys import (
    ClosedSurvey,
    ErasedSurvey,
    Send,
    Survey,
    UnknownSurvey,
    answerable,
    score_stays,
)
from shared.contracts import identity
from shared.contracts.answers import Answer
from shared.erasures import is_erased

REFUSALS = (
    AmbiguousId,
    AnswerOfAnother,
    ClosedSurvey,
    ErasedAnswer,
    ErasedSurvey,
    GivenBeforeErasure,
    KeyReused,
    ScoreMissing,
    TooManyFurtherAnswers,
    UnknownCampaign,
    UnknownSurvey,
)
"""Why a request changes nothing, although nothing failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest:
    """What is said about one answer. ``began`` is when the request did.

    ``send_id`` is that of the survey it answers, which says the rest; without one, the shop's backend reports the
    answer. ``named`` is whether the client chose ``answer_id``. ``digest`` is that of a body that came with an
    Idempotency-Key, and ``unowned_id`` the id that a version until 0.1.0 gave to the answer under such a key.
    ``key`` is what ids that would count as one answer share (``identity.key_of``).
    """

    answer_id: str
    key: str
    given: AnswerParts
    began: datetime
    traceparent: str | None = None
    send_id: str | None = None
    named: bool = False
    digest: bytes | None = None
    unowned_id: str | None = None

    @property
    def customer_id(self) -> str | None:
        """The customer whose erasure it must not follow, if it names one."""
        return None if self.send_id is not None else self.given.get("customer_id")

    @property
    def order_id(self) -> str | None:
        """The order whose customer's erasure it must not follow, if it names no customer."""
        return None if self.send_id is not None or self.customer_id is not None else self.given.get("order_id")

    @property
    def campaign(self) -> str | None:
        """The campaign that must be one, if it names one itself."""
        return None if self.send_id is not None else self.given.get("campaign")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is stored about what a request concerns. ``stored`` is the answer under its id, ``unowned`` under its
    ``unowned_id``; ``key_taken`` is whether another id has its key; ``erased_at`` is when its customer, or that of its
    order, was erased; ``campaigns`` are published."""

    stored: StoredAnswer | None = None
    survey: Survey | None = None
    unowned: StoredAnswer | None = None
    key_taken: bool = False
    erased_at: datetime | None = None
    campaigns: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """``answer`` is what the request leaves; ``changed`` is whether it was another before."""

    answer: Answer
    changed: bool


def survey_request(
    send_id: str, given: AnswerParts, *, began: datetime, traceparent: str | None = None
) -> AnswerRequest:
    answer_id = identity.answer_id(send_id)
    return AnswerRequest(
        answer_id=answer_id, key=answer_id, given=given, began=began, traceparent=traceparent, send_id=send_id
    )


def direct_request(
    body: DirectAnswer,
    *,
    caller: str,
    idempotency_key: str | None,
    began: datetime,
    randomness: Callable[[], int],
    traceparent: str | None = None,
) -> AnswerRequest:
    """``caller`` is the name of the API key, to which an Idempotency-Key belongs; ``randomness`` gives 74 random bits,
    which only an answer needs that comes with neither."""
    digest = unowned_id = None
    if body.answer_id is not None:
        answer_id, key = body.answer_id, identity.key_of(body.answer_id)
    elif idempotency_key is not None:
        answer_id = key = identity.keyed_answer_id(caller=caller, idempotency_key=idempotency_key)
        digest, unowned_id = body.digest(), identity.unowned_keyed_answer_id(idempotency_key)
    else:
        answer_id = key = time_ordered_id(began, randomness=randomness())
    return AnswerRequest(
        answer_id=answer_id,
        key=key,
        given=body.parts(),
        began=began,
        traceparent=traceparent,
        named=body.answer_id is not None,
        digest=digest,
        unowned_id=unowned_id,
    )


def decide(request: AnswerRequest, standing: Standing, now: datetime) -> Decided:
    """What the request makes of what is stored. Raises one of REFUSALS."""
    if request.send_id is not None:
        return _decide_survey(request, standing, now)
    if is_erased(request.given.get("answered_at", request.began), erased_at=standing.erased_at):
        raise GivenBeforeErasure
    stored = standing.stored
    if stored is None and standing.unowned is not None and standing.unowned.answer is not None:
        # A version until 0.1.0 acknowledged the same request, which is being retried after an upgrade.
        earlier = standing.unowned.answer
        if repeats(earlier, request.given, now):
            return Decided(earlier, changed=False)
    if request.digest is not None and stored is not None and stored.answer is not None:
        if stored.request_digest != request.digest:
            raise KeyReused
        return Decided(stored.answer, changed=False)
    if stored is None and standing.key_taken:
        raise AmbiguousId
    # A misspelt campaign would become one of its own in every report.
    kept = stored.answer.campaign if stored and stored.answer else None
    if request.campaign is not None and request.campaign not in (kept, *standing.campaigns):
        raise UnknownCampaign(request.campaign, sorted(standing.campaigns))
    return _after(request.answer_id, stored, request.given, now)


def _decide_survey(request: AnswerRequest, standing: Standing, now: datetime) -> Decided:
    survey = None if standing.survey is None else replace(standing.survey, stored=standing.stored)
    survey = answerable(survey, now, score_stays=score_stays(survey, request.given.get("score")))
    given = request.given if survey.stored else {**_facts(survey.send), **request.given}
    return _after(request.answer_id, survey.stored, given, now)


def _after(answer_id: str, stored: StoredAnswer | None, given: AnswerParts, now: datetime) -> Decided:
    if stored is not None and stored.answer is None:
        raise ErasedAnswer(answer_id)
    current = stored.answer if stored else None
    answer = answer_after(current, answer_id, given, now)
    if answer is None:
        assert current is not None
        return Decided(current, changed=False)
    return Decided(answer, changed=True)


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
