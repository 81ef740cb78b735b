"""A batch of answers: the highest revision of each, the rows to store, and the changes to the counts.

An answer is stored at its highest revision. What it counted before is subtracted and what it counts now is added, so
that the day counts stay the sum over the stored answers, despite duplicates and late or out-of-order events. An erased
answer goes on counting: its day, campaign, segments and group stay, its score and its comment go.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.scorer.domain.tally import Tally, answer_place, score_place
from services.scorer.domain.windows import day_of
from shared.contracts.answers import Answer, AnswerErased, StillCounted, supersedes
from shared.contracts.identity import keys_of
from shared.contracts.light import Light, light_reader
from shared.contracts.types import SegmentValue
from shared.nps import Group, group_of

NO_CAMPAIGN = ""
"""The name under which answers without a campaign count."""

NO_CAMPAIGN_ID = 0
"""The id of NO_CAMPAIGN."""


class GivenAnswer(Light):
    """What counts of an answer: these fields of ``Answer``."""

    answer_id: str
    revision: int
    score: int
    answered_at: datetime
    received_at: datetime
    send_id: str | None
    campaign: str | None
    comment: str | None
    segments: dict[str, SegmentValue]

    @classmethod
    def of(cls, answer: Answer) -> "GivenAnswer":
        return cls(**{name: getattr(answer, name) for name in cls.__struct_fields__})


read_answer = light_reader(Answer, GivenAnswer)
"""Reads an answer from its JSON; None for what is to be read by its contract."""

Revisions = dict[str, GivenAnswer | AnswerErased]
"""One of each answer's revisions, by its key."""


def newest_revisions(bodies: Sequence[GivenAnswer | AnswerErased]) -> Revisions:
    """The revision of each answer that supersedes its others."""
    newest: Revisions = {}
    for key, body in zip(keys_of([body.answer_id for body in bodies]), bodies, strict=True):
        other = newest.get(key)
        if other is None or supersedes(body, earlier=other):
            newest[key] = body
    return newest


def rounds(bodies: Sequence[GivenAnswer | AnswerErased]) -> list[Revisions]:
    """What to store one after the other: erasures that do not say what they count as keep what is stored by then."""
    unstated = [body for body in bodies if not isinstance(body, GivenAnswer) and body.counted is None]
    if not unstated:
        return [newest_revisions(bodies)] if bodies else []
    stated = [body for body in bodies if isinstance(body, GivenAnswer) or body.counted is not None]
    return [newest_revisions(each) for each in (stated, unstated) if each]


def counts_as(body: GivenAnswer | AnswerErased) -> GivenAnswer | StillCounted | None:
    """What has the campaign and the segments in which it counts; None for an erasure that does not say."""
    return body if isinstance(body, GivenAnswer) else body.counted


class AnswerRow(NamedTuple):
    """A row of ``answers``. ``day`` is in the shop's time zone.

    An erased answer has no score, but an ``erased_group``; everything but its key and revision is None if the erasure
    does not say what it counts as.
    """

    key: str
    revision: int
    campaign_id: int | None
    day: date | None
    score: int | None
    segment_ids: tuple[int, ...] | None
    erased_group: Group | None


class NewComment(NamedTuple):
    """A row of ``comments``."""

    key: str
    answer_id: str
    answered_at: datetime
    day: date
    campaign_id: int
    score: int
    segment_ids: tuple[int, ...]
    comment: str


def newest_comments(comments: Sequence[NewComment], most: int) -> Sequence[NewComment]:
    """The comments of the answers that were given last, at most so many: older ones would not be kept for long."""
    if len(comments) <= most:
        return comments
    return heapq.nlargest(most, comments, key=lambda new: (new.answered_at, new.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedAnswer:
    """The previous state of an answer; ``campaign_id``, ``day`` and ``segment_ids`` are None if it did not count.

    ``erased_now`` is whether the answer is erased now.
    """

    key: str
    campaign_id: int | None
    day: date | None
    score: int | None
    segment_ids: Sequence[int] | None
    erased_group: Group | None
    erased_now: bool


@dataclass(frozen=True, slots=True)
class WrittenAnswers:
    """``keys`` are those written, None for all: the others are already stored at a newer revision."""

    keys: frozenset[str] | None
    replaced: Sequence[ReplacedAnswer]


@dataclass(slots=True)
class AnswerBatch:
    """``rows`` for the table, each of another key. ``keys``, ``places`` and ``segments`` are parallel: where an answer
    counts, without those that do not say."""

    rows: list[AnswerRow] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    segments: list[Sequence[int]] = field(default_factory=list)
    comments: list[NewComment] = field(default_factory=list)

    def count(self, tally: Tally, written: WrittenAnswers) -> None:
        """Adds the changes to the counts, once the batch is stored."""
        tally.add(self.places, self.segments)
        if written.keys is not None:
            refused = [index for index, key in enumerate(self.keys) if key not in written.keys]
            tally.remove([self.places[index] for index in refused], [self.segments[index] for index in refused])
        if not written.replaced:
            return
        given = set(self.keys)
        places, segments = [], []
        for old in written.replaced:
            group = old.erased_group if old.score is None else group_of(old.score)
            if old.campaign_id is None or old.day is None or group is None or old.key not in given:
                continue  # It did not count, or goes on counting as it did.
            places.append(answer_place(old.campaign_id, old.day, group))
            segments.append(old.segment_ids or ())
        tally.remove(places, segments)

    def comments_of(self, written: WrittenAnswers) -> list[NewComment]:
        """The comments of the answers that were written and are not erased."""
        erased = {old.key for old in written.replaced if old.erased_now}
        return [
            new for new in self.comments if (written.keys is None or new.key in written.keys) and new.key not in erased
        ]


def batch_of(
    revisions: Revisions, *, campaign_ids: Sequence[int], segment_ids: Sequence[tuple[int, ...]], zone: ZoneInfo
) -> AnswerBatch:
    """The ids are those of what ``counts_as`` returns for each of ``revisions`` that counts, in order.

    Days begin and end in ``zone``.
    """
    batch = AnswerBatch()
    ids = zip(campaign_ids, segment_ids, strict=True)
    for key, body in revisions.items():
        if isinstance(body, GivenAnswer):
            campaign_id, segments = next(ids)
            score, day = body.score, day_of(body.answered_at, zone)
            batch.rows.append(AnswerRow(key, body.revision, campaign_id, day, score, segments, None))
            batch.places.append(score_place(campaign_id, day, score))
            if body.comment and not body.comment.isspace():
                batch.comments.append(
                    NewComment(key, body.answer_id, body.answered_at, day, campaign_id, score, segments, body.comment)
                )
        elif (counted := body.counted) is not None:
            campaign_id, segments = next(ids)
            day, group = counted.day, counted.group
            batch.rows.append(AnswerRow(key, body.revision, campaign_id, day, None, segments, group))
            batch.places.append(answer_place(campaign_id, day, group))
        else:
            batch.rows.append(AnswerRow(key, body.revision, None, None, None, None, None))
            continue
        batch.keys.append(key)
        batch.segments.append(segments)
    return batch
