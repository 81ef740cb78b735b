"""``surveys.answers``: confirmed answers, their amendments, and their erasure."""

from datetime import date
from typing import Annotated, Protocol

from pydantic import Field

from shared.contracts import identity
from shared.contracts.events import Event
from shared.contracts.sends import Channel
from shared.contracts.types import Comment, Contract, Identifier, Instant, Label, Score, Segments
from shared.nps import Group

TOPIC = "surveys.answers"

RECORDED = "answer.recorded"
AMENDED = "answer.amended"
ERASED = "answer.erased"

MAX_FURTHER_ANSWERS = 20
FurtherAnswers = Annotated[dict[Label, Comment], Field(max_length=MAX_FURTHER_ANSWERS)]
"""The answers to a survey's other questions, by question."""

Revision = Annotated[int, Field(ge=1, le=2_147_483_647)]


class Answer(Contract):
    """One customer's confirmed answer at ``revision``; a higher revision replaces a lower one.

    ``answered_at`` is when the customer gave the score and decides the day it counts on; it does not change when a
    comment is added later. ``received_at`` is when this revision was acknowledged.
    """

    answer_id: Identifier
    revision: Revision
    score: Score
    answered_at: Instant
    received_at: Instant
    channel: Channel = "api"
    send_id: Identifier | None = None
    customer_id: Identifier | None = None
    order_id: Identifier | None = None
    campaign: Identifier | None = None
    campaign_version: int | None = None
    comment: Comment | None = None
    # A factory, because pydantic deep-copies a mutable default, which took longer than the rest of validation.
    further_answers: FurtherAnswers = Field(default_factory=dict)
    segments: Segments = Field(default_factory=dict)
    locale: Label | None = None


class StillCounted(Contract):
    """What an erased answer still counts as: a score's group, on the day it was given, in each of its segments.

    ``day`` is in the shop's time zone; ``surveyed`` is whether it was an answer to one of our surveys.
    """

    group: Group
    day: date
    campaign: Identifier | None = None
    surveyed: bool
    segments: Segments = Field(default_factory=dict)


class AnswerErased(Contract):
    """Replaces all data of this answer; contains no personal data.

    ``counted`` lets a consumer that never read the answer itself, because compaction removed it, count it all the same:
    otherwise customers who ask to be forgotten would change the scores of the past. Events published before the field
    existed do not have it.
    """

    answer_id: Identifier
    revision: Revision
    erased_at: Instant
    counted: StillCounted | None = None


class Revised(Protocol):
    """An answer, or what a consumer needs of it, or its erasure."""

    @property
    def revision(self) -> int: ...


def supersedes(body: Revised, *, earlier: Revised) -> bool:
    """Whether ``body`` replaces ``earlier`` of the same answer: a higher revision does, or an erasure of the same."""
    if body.revision == earlier.revision:
        return isinstance(body, AnswerErased) and not isinstance(earlier, AnswerErased)
    return body.revision > earlier.revision


def event(body: Answer | AnswerErased, *, traceparent: str | None = None) -> Event:
    """The event that publishes one revision of an answer: recorded, amended or erased, depending on the body."""
    if isinstance(body, AnswerErased):
        kind, time = ERASED, body.erased_at
    else:
        kind, time = RECORDED if body.revision == 1 else AMENDED, body.received_at
    return Event(
        topic=TOPIC,
        key=body.answer_id,
        event_id=identity.event_id(kind, body.answer_id, body.revision),
        type=kind,
        time=time,
        body=body,
        traceparent=traceparent,
    )
