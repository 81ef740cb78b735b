"""A batch of answers: the highest revision of each, the rows to store, and the changes to the counts.

An answer is stored at its highest revision. What it counted before is subtracted and what it counts now is added, so
that the day counts stay the sum over the stored answers, despite duplicates and late or out-of-order events.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.scorer.domain.keys import key_of
from services.scorer.domain.tally import DayChange, Tally, answer_place
from services.scorer.domain.windows import day_of
from shared.contracts.answers import Answer, AnswerErased, supersedes

NO_CAMPAIGN = ""
"""The name under which answers without a campaign count."""

NO_CAMPAIGN_ID = 0
"""The id of NO_CAMPAIGN."""


def newest_revisions(bodies: Iterable[Answer | AnswerErased]) -> list[tuple[str, Answer | AnswerErased]]:
    """Each answer's key with the revision that supersedes its others, ascending by key."""
    newest: dict[str, Answer | AnswerErased] = {}
    for body in bodies:
        other = newest.setdefault(body.answer_id, body)
        if other is not body and supersedes(body, earlier=other):
            newest[body.answer_id] = body
    return sorted([(key_of(answer_id), body) for answer_id, body in newest.items()])


class AnswerRow(NamedTuple):
    """A row of ``answers``; an erased answer has only its key and revision. ``day`` is in the shop's time zone."""

    key: str
    revision: int
    campaign_id: int | None
    day: date | None
    score: int | None
    surveyed: bool | None
    segment_ids: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComment:
    key: str
    answered_at: datetime
    day: date
    campaign_id: int
    score: int
    segment_ids: tuple[int, ...]
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedAnswer:
    """The previous state of an answer; everything but ``key`` is None if it had been erased."""

    key: str
    campaign_id: int | None
    day: date | None
    score: int | None
    surveyed: bool | None
    segment_ids: Sequence[int] | None


@dataclass(frozen=True, slots=True)
class WrittenAnswers:
    """``keys`` are those written, None for all: the others are already stored at a newer revision."""

    keys: frozenset[str] | None
    replaced: Sequence[ReplacedAnswer]


@dataclass(slots=True)
class AnswerBatch:
    """``rows`` for the table, ascending by key. ``keys``, ``places`` and ``segments`` are parallel: where each answer
    counts, without the erased ones."""

    rows: list[AnswerRow] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    segments: list[Sequence[int]] = field(default_factory=list)
    comments: list[NewComment] = field(default_factory=list)

    def changes(self, written: WrittenAnswers) -> list[DayChange]:
        """The changes to the counts, once the batch is stored."""
        tally = Tally()
        tally.add(self.places, self.segments)
        if written.keys is not None:
            refused = [index for index, key in enumerate(self.keys) if key not in written.keys]
            tally.remove([self.places[index] for index in refused], [self.segments[index] for index in refused])
        places, segments = [], []
        for old in written.replaced:
            if old.campaign_id is None or old.day is None or old.score is None:
                continue
            places.append(answer_place(old.campaign_id, old.day, score=old.score, surveyed=bool(old.surveyed)))
            segments.append(old.segment_ids or ())
        tally.remove(places, segments)
        return tally.changes()

    def comments_of(self, written: WrittenAnswers) -> list[NewComment]:
        """The comments of the answers that were written."""
        return [new for new in self.comments if written.keys is None or new.key in written.keys]


def batch_of(
    newest: Sequence[tuple[str, Answer | AnswerErased]],
    *,
    campaign_ids: Sequence[int],
    segment_ids: Sequence[tuple[int, ...]],
    zone: ZoneInfo,
) -> AnswerBatch:
    """``newest`` as ``newest_revisions`` returns it; the ids are those of its answers that are not erased, in order.

    Days begin and end in ``zone``.
    """
    batch = AnswerBatch()
    ids = zip(campaign_ids, segment_ids, strict=True)
    for key, body in newest:
        if not isinstance(body, Answer):
            batch.rows.append(
                AnswerRow(
                    key=key,
                    revision=body.revision,
                    campaign_id=None,
                    day=None,
                    score=None,
                    surveyed=None,
                    segment_ids=None,
                )
            )
            continue
        campaign_id, segments = next(ids)
        day = day_of(body.answered_at, zone)
        surveyed = body.send_id is not None
        batch.rows.append(
            AnswerRow(
                key=key,
                revision=body.revision,
                campaign_id=campaign_id,
                day=day,
                score=body.score,
                surveyed=surveyed,
                segment_ids=segments,
            )
        )
        batch.keys.append(key)
        batch.places.append(answer_place(campaign_id, day, score=body.score, surveyed=surveyed))
        batch.segments.append(segments)
        if body.comment and not body.comment.isspace():
            batch.comments.append(
                NewComment(
                    key=key,
                    answered_at=body.answered_at,
                    day=day,
                    campaign_id=campaign_id,
                    score=body.score,
                    segment_ids=segments,
                    comment=body.comment,
                )
            )
    return batch
