"""What becomes of an answer when something is said: recorded first, amended later, unchanged by a repetition."""

from datetime import datetime, timedelta
from typing import TypedDict

from shared.contracts.answers import Answer
from shared.contracts.sends import Channel
from shared.contracts.types import Segments

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours a client's clock may be before its ``answered_at`` is taken for a mistake."""

MOST_FURTHER_ANSWERS = 20
"""What the contract allows in one answer."""


class Said(TypedDict, total=False):
    """What is said now. A part that is absent stays as it was; an empty comment takes the comment away.

    ``answered_at`` absent means: now, if the score is new or another one.
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


class ScoreMissing(ValueError):
    """Nothing can be kept before there is a score."""


class TooManyFurtherAnswers(ValueError):
    """Each part was within the limit; together they are not."""


class ErasedAnswer(ValueError):
    """The customer's data was erased; the answer is closed for good."""


def answer_after(current: Answer | None, answer_id: str, said: Said, now: datetime) -> Answer | None:
    """The answer as it stands after ``said``, one revision higher; None when that changes nothing.

    ``answered_at`` is when the current score was given: another score moves the answer to another day, a comment does
    not. Raises ScoreMissing when a first answer has no score, and TooManyFurtherAnswers.
    """
    said = _tidied(said, current)
    if current is None:
        if "score" not in said:
            raise ScoreMissing("score: is missing; a comment can follow a score, not come before it")
        first: Said = {"answered_at": now, **said}
        return Answer(answer_id=answer_id, revision=1, received_at=now, **first)
    changes = {field: value for field, value in said.items() if getattr(current, field) != value}
    if not changes:
        return None
    if "score" in changes:
        changes["answered_at"] = said.get("answered_at", now)
    return current.model_copy(update={**changes, "revision": current.revision + 1, "received_at": now})


def plain_comment(written: str) -> str:
    """A comment from a form as it is kept: one kind of line break, no blank ends, nothing that cannot be stored."""
    lines = written.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return lines.encode("utf-8", "ignore").decode().strip()


def too_early(answered_at: datetime, now: datetime) -> bool:
    """Whether a moment lies in the future, beyond what clocks may differ by."""
    return answered_at > now + CLOCK_SKEW


def _tidied(said: Said, current: Answer | None) -> Said:
    """An empty comment is none; further answers join those given before."""
    tidied: Said = {**said}
    if said.get("comment") == "":
        tidied["comment"] = None
    if "further_answers" in said and current is not None:
        tidied["further_answers"] = {**current.further_answers, **said["further_answers"]}
    if len(tidied.get("further_answers", {})) > MOST_FURTHER_ANSWERS:
        raise TooManyFurtherAnswers(f"further_answers: more than {MOST_FURTHER_ANSWERS} with those given before")
    return tidied
