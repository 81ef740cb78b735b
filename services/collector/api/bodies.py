"""What clients may send: the bodies of the API and of the survey page, checked field by field."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

from services.collector.domain.answers import Said
from shared.contracts.sends import Channel
from shared.contracts.types import Comment, Identifier, Instant, Label, Score, Segments

LARGEST_BODY = 256 * 1024
"""Bytes. The longest comment and twenty further answers fit, however they are escaped."""

_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")


def _written_time(value: object) -> object:
    """Only text is a time here: a bare number could be seconds or milliseconds of any epoch."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise ValueError("must be an RFC 3339 time with an offset, such as 2026-11-01T09:30:00-03:00")


WrittenTime = Annotated[Instant, Field(strict=False), BeforeValidator(_written_time)]
WrittenScore = Annotated[Score, Strict()]
FurtherAnswers = Annotated[dict[Label, Comment], Field(max_length=20)]


class SurveyAnswer(BaseModel):
    """What is posted to a survey's page as JSON. It may come in parts; a part left out stays as it was."""

    model_config = ConfigDict(extra="forbid", strict=True)

    score: WrittenScore | None = None
    comment: Comment | None = None
    further_answers: FurtherAnswers | None = None

    def said(self) -> Said:
        said: Said = {}
        if self.score is not None:
            said["score"] = self.score
        if self.comment is not None:
            said["comment"] = self.comment
        if self.further_answers is not None:
            said["further_answers"] = self.further_answers
        return said


class DirectAnswer(SurveyAnswer):
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

    score: WrittenScore
    answer_id: Identifier | None = None
    customer_id: Identifier | None = None
    order_id: Identifier | None = None
    campaign: Identifier | None = None
    channel: Channel | None = None
    answered_at: WrittenTime | None = None
    segments: Segments | None = None

    def said(self) -> Said:
        said = super().said()
        for field in ("customer_id", "order_id", "campaign", "channel", "answered_at", "segments"):
            if (value := getattr(self, field)) is not None:
                said[field] = value
        return said


class AnswerAccepted(BaseModel):
    """The answer is stored; ``revision`` grows each time it changes."""

    answer_id: str
    revision: int


def form_score(written: str | None) -> int | None:
    """A score as a form or an address gives it; None for anything but 0 to 10."""
    return int(written) if written is not None and re.fullmatch(r"[0-9]|10", written, re.ASCII) else None
