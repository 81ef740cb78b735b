"""The answers clients send, and what becomes of them: first recorded, later amended; a repetition is a no-op."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, TypedDict, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict

from shared.contracts.answers import MAX_FURTHER_ANSWERS, Answer, AnswerErased, FurtherAnswers, StillCounted
from shared.contracts.sends import Channel
from shared.contracts.types import Comment, Identifier, Instant, Score, Segments
from shared.nps import SCORES, group_of
from shared.segment_values import as_recorded

CLOCK_SKEW = timedelta(minutes=5)
"""Tolerated clock skew: how far in the future a client's ``answered_at`` may be."""

ANSWER_ERASED = "The answer was erased"
"""The title of the problem that a client gets for ErasedAnswer or ErasedSurvey."""

_WRITTEN_SCORES = {str(score): score for score in SCORES}


class AnswerParts(TypedDict, total=False):
    """The parts of an answer given now. An absent part is left unchanged; an empty comment deletes the comment.

    If ``answered_at`` is absent it is now, provided the score is new or different.
    """

    score: int
    comment: str | None
    further_answers: dict[str, str]
    answered_at: datetime
    channel: Channel
    send_id: str
    customer_id: str
    order_id: str | None
    campaign: str
    campaign_version: int
    segments: Segments
    locale: str


class SurveyAnswer(BaseModel):
    """What is posted to a survey's page as JSON. It may come in parts; omitted ones are left unchanged."""

    model_config = ConfigDict(extra="forbid", strict=True)

    score: Score | None = None
    comment: Comment | None = None
    further_answers: FurtherAnswers | None = None

    def parts(self) -> AnswerParts:
        return cast("AnswerParts", self.model_dump(exclude_none=True))


class DirectAnswer(BaseModel):
    """What the shop's backend posts to ``/v1/answers``. Posting an ``answer_id`` again amends that answer; omitted
    parts are left unchanged. Segments are the shop's, because it knows its customers, spelt as an order's are."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "answer_id": "till-7-2026-11-01-0042",
                    "customer_id": "c-42",
                    "order_id": "1001",
                    "score": 9,
                    "comment": "The wrapping was lovely.",
                    "answered_at": "2026-11-01T09:30:00-03:00",
                    "segments": {"country": "BR", "category": ["toys", "books"]},
                }
            ]
        },
    )

    score: Score
    comment: Comment | None = None
    further_answers: FurtherAnswers | None = None
    answer_id: Identifier | None = None
    customer_id: Identifier | None = None
    order_id: Identifier | None = None
    campaign: Identifier | None = None
    channel: Channel | None = None
    answered_at: Instant | None = None
    segments: Annotated[Segments, AfterValidator(as_recorded)] | None = None

    def parts(self) -> AnswerParts:
        return cast("AnswerParts", self.model_dump(exclude_none=True, exclude={"answer_id"}))

    def digest(self) -> bytes:
        """SHA-256 of what the body says: the same whatever its spelling, and the order of its fields."""
        body = self.model_dump(mode="json", exclude_none=True)
        return sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).digest()


class AnswerAccepted(BaseModel):
    """The answer is stored; ``revision`` increases each time it changes."""

    answer_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """``answer`` is None once erased; ``revision`` is then that of the erasure.

    ``request_digest`` is that of the request whose Idempotency-Key it was recorded under, if there was one.
    """

    revision: int
    answer: Answer | None
    request_digest: bytes | None = None


class ScoreMissing(ValueError):
    """Nothing can be stored before there is a score."""

    def __init__(self) -> None:
        super().__init__("score: is missing; a comment can follow a score, not precede it")


class TooManyFurtherAnswers(ValueError):
    """Each request was within the limit, but not all of them together."""

    def __init__(self) -> None:
        super().__init__(f"further_answers: more than {MAX_FURTHER_ANSWERS} including those given before")


class ErasedAnswer(ValueError):
    """The customer's data was erased; the answer is permanently closed."""

    def __init__(self, answer_id: str) -> None:
        super().__init__(f"answer_id: {answer_id} was erased and accepts no more changes")


class GivenBeforeErasure(ValueError):
    """The customer, or the customer of the order, was erased after the answer was given."""

    def __init__(self) -> None:
        super().__init__("the data of this answer's customer was erased after the answer was given")


class AnswerOfAnother(ValueError):
    """An answer keeps its customer: otherwise one customer's words would become another's."""

    def __init__(self) -> None:
        super().__init__(
            "customer_id: the answer is another customer's; use another answer_id, or omit customer_id to amend it"
        )


class KeyReused(ValueError):
    """An Idempotency-Key belongs to the body it was first sent with."""

    def __init__(self) -> None:
        super().__init__(
            "Idempotency-Key: was first used with another body; use a new key for a new answer, or name the answer "
            "to change by its answer_id"
        )


class AmbiguousId(ValueError):
    """Two answer ids with one key would count as one answer; see ``shared.contracts.identity.key_of``."""

    def __init__(self) -> None:
        super().__init__("answer_id: cannot be told apart from the id of another answer; choose another")


class UnknownCampaign(ValueError):
    """The campaign is in no definition: probably misspelt."""

    def __init__(self, campaign: str, published: Sequence[str]) -> None:
        known = f"published are {', '.join(published)}" if published else "none is published yet"
        super().__init__(
            f"campaign: {campaign!r} is not a campaign; {known}. One that Hearback need not ask about is defined "
            "with active: false"
        )


def answer_after(current: Answer | None, answer_id: str, given: AnswerParts, now: datetime) -> Answer | None:
    """The answer after ``given``, one revision higher; None when that changes nothing.

    ``answered_at`` is when the current score was given: another score moves the answer to another day, a comment does
    not. Raises ScoreMissing when a first answer has no score, TooManyFurtherAnswers and AnswerOfAnother.
    """
    given = _normalized(given, current)
    if current is not None and current.customer_id not in (None, given.get("customer_id", current.customer_id)):
        raise AnswerOfAnother
    if current is None:
        if "score" not in given:
            raise ScoreMissing
        first: AnswerParts = {"answered_at": now, **given}
        return Answer(answer_id=answer_id, revision=1, received_at=now, **first)
    changes = {field: value for field, value in given.items() if getattr(current, field) != value}
    if not changes:
        return None
    if "score" in changes:
        changes["answered_at"] = given.get("answered_at", now)
    return current.model_copy(update={**changes, "revision": current.revision + 1, "received_at": now})


def repeats(current: Answer, given: AnswerParts, now: datetime) -> bool:
    """Whether ``given`` says nothing that ``current`` does not say."""
    try:
        return answer_after(current, current.answer_id, given, now) is None
    except ValueError:
        return False


def erased_answer(answer: Answer, erased_at: datetime, zone: ZoneInfo) -> AnswerErased:
    """What is left of an answer, one revision higher: a count on its day in ``zone``, the shop's time zone."""
    return AnswerErased(
        answer_id=answer.answer_id,
        revision=answer.revision + 1,
        erased_at=erased_at,
        counted=StillCounted(
            group=group_of(answer.score),
            day=answer.answered_at.astimezone(zone).date(),
            campaign=answer.campaign,
            surveyed=answer.send_id is not None,
            segments=answer.segments,
        ),
    )


def form_score(written: str | None) -> int | None:
    """Parses a score from a form or URL; None for anything but 0 to 10."""
    return _WRITTEN_SCORES.get(written or "")


def is_in_the_future(answered_at: datetime, *, now: datetime) -> bool:
    """Whether a client's time is in the future, beyond the tolerated clock skew."""
    return answered_at > now + CLOCK_SKEW


def time_ordered_id(now: datetime, *, randomness: int) -> str:
    """A new, time-ordered answer id, which suits PostgreSQL's index: UUID version 7 (RFC 9562 §5.7).

    ``randomness`` are 74 random bits.
    """
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    upper, lower = randomness >> 62 & (1 << 12) - 1, randomness & (1 << 62) - 1
    return str(UUID(int=milliseconds << 80 | 7 << 76 | upper << 64 | 2 << 62 | lower))


def _normalized(given: AnswerParts, current: Answer | None) -> AnswerParts:
    """An empty comment becomes None; further answers are merged with those given before."""
    normalized: AnswerParts = {**given}
    if given.get("comment") == "":
        normalized["comment"] = None
    if "further_answers" in given and current is not None:
        normalized["further_answers"] = {**current.further_answers, **given["further_answers"]}
    if len(normalized.get("further_answers", {})) > MAX_FURTHER_ANSWERS:
        raise TooManyFurtherAnswers
    return normalized
