"""What clients give as an answer, and what becomes of it: recorded first, amended later, unchanged by a repetition."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, TypedDict, cast
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.contracts.answers import Answer
from shared.contracts.sends import Channel
from shared.contracts.types import Comment, Identifier, Instant, Label, Score, Segments

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours a client's clock may be before its ``answered_at`` is taken for a mistake."""

LONGEST_COMMENT = 5_000
"""Characters, as in the contract."""

MOST_FURTHER_ANSWERS = 20
"""What the contract allows in one answer."""

_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")


class AnswerParts(TypedDict, total=False):
    """The parts of an answer given now. An absent part stays as it was; an empty comment deletes the comment.

    ``answered_at`` absent means: now, if the score is new or different.
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


def _written_time(value: object) -> object:
    """Only text is a time here: a bare number could be seconds or milliseconds of any epoch."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-01T09:30:00-03:00")


WrittenTime = Annotated[Instant, Field(strict=False), BeforeValidator(_written_time)]
FurtherAnswers = Annotated[dict[Label, Comment], Field(max_length=MOST_FURTHER_ANSWERS)]


class SurveyAnswer(BaseModel):
    """What is posted to a survey's page as JSON. It may come in parts; a part left out stays as it was."""

    model_config = ConfigDict(extra="forbid", strict=True)

    score: Score | None = None
    comment: Comment | None = None
    further_answers: FurtherAnswers | None = None

    def parts(self) -> AnswerParts:
        return cast("AnswerParts", self.model_dump(exclude_none=True))


class DirectAnswer(BaseModel):
    """What the shop's own backend posts to ``/v1/answers``. The same ``answer_id`` again is the same answer: what
    differs amends it, what is left out stays. Segments are taken as given, because the shop knows its customers."""

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
    answered_at: WrittenTime | None = None
    segments: Segments | None = None

    def parts(self) -> AnswerParts:
        return cast("AnswerParts", self.model_dump(exclude_none=True, exclude={"answer_id"}))


class AnswerAccepted(BaseModel):
    """The answer is stored; ``revision`` grows each time it changes."""

    answer_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """``answer`` is None once erased; ``revision`` then is that of the erasure."""

    revision: int
    answer: Answer | None


class ScoreMissing(ValueError):
    """Nothing can be stored before there is a score."""

    def __init__(self) -> None:
        super().__init__("score: is missing; a comment can follow a score, not precede it")


class TooManyFurtherAnswers(ValueError):
    """Each part was within the limit; together they are not."""

    def __init__(self) -> None:
        super().__init__(f"further_answers: more than {MOST_FURTHER_ANSWERS} together with those given before")


class ErasedAnswer(ValueError):
    """The customer's data was erased; the answer is closed for good."""

    def __init__(self, answer_id: str) -> None:
        super().__init__(f"answer_id: {answer_id} was erased and accepts no more changes")


def answer_after(current: Answer | None, answer_id: str, given: AnswerParts, now: datetime) -> Answer | None:
    """The answer as it stands after ``given``, one revision higher; None when that changes nothing.

    ``answered_at`` is when the current score was given: another score moves the answer to another day, a comment does
    not. Raises ScoreMissing when a first answer has no score, and TooManyFurtherAnswers.
    """
    given = _normalized(given, current)
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


def form_score(written: str | None) -> int | None:
    """A score as a form or an address gives it; None for anything but 0 to 10."""
    return int(written) if written is not None and re.fullmatch(r"[0-9]|10", written, re.ASCII) else None


def form_comment(written: str) -> str:
    """A comment from a form as it is stored: one kind of line break, trimmed, nothing that cannot be stored."""
    lines = written.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return lines.encode("utf-8", "ignore").decode().strip()


def is_in_the_future(answered_at: datetime, *, now: datetime) -> bool:
    """Whether a client's moment lies in the future, beyond what clocks may differ by."""
    return answered_at > now + CLOCK_SKEW


def time_ordered_id(now: datetime) -> str:
    """A new answer id that grows with time, which suits PostgreSQL's index: UUID version 7 (RFC 9562 §5.7)."""
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    number = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(UUID(int=number))


def _normalized(given: AnswerParts, current: Answer | None) -> AnswerParts:
    """An empty comment becomes none; further answers join those given before."""
    normalized: AnswerParts = {**given}
    if given.get("comment") == "":
        normalized["comment"] = None
    if "further_answers" in given and current is not None:
        normalized["further_answers"] = {**current.further_answers, **given["further_answers"]}
    if len(normalized.get("further_answers", {})) > MOST_FURTHER_ANSWERS:
        raise TooManyFurtherAnswers
    return normalized
