"""Counting a batch of answers, sends and deliveries: each table in one statement, then the change to the day counts.

All in the caller's transaction, so that after every commit the day counts and their changes that are not folded yet are
the sum over the stored answers and surveys, even with duplicates, late events and concurrent processes. What comes
together is counted together; the changes are only appended, so that replicas do not wait for one another there.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions.names import Names
from services.scorer.domain.answers import (
    AnswerBatch,
    GivenAnswer,
    NewComment,
    Revisions,
    WrittenAnswers,
    batch_of,
    counts_as,
    newest_comments,
    rounds,
)
from services.scorer.domain.surveys import (
    SurveyFacts,
    count_surveys,
    facts_of_answers,
    facts_of_deliveries,
    facts_of_sends,
    first_sends,
    merged_facts,
)
from services.scorer.domain.tally import Tally
from services.scorer.repository import answers, comments, day_changes, surveys
from shared.contracts.answers import AnswerErased
from shared.contracts.deliveries import Delivery
from shared.contracts.sends import SurveySent

_SLICE = 1_250
"""Of a full batch a quarter: so long neither PostgreSQL nor we wait for the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came in one batch; ``deliveries`` are pairs of event type and body."""

    sends: Sequence[SurveySent]
    deliveries: Sequence[tuple[str, Delivery]]
    answers: Sequence[GivenAnswer | AnswerErased]


async def count(
    connection: AsyncConnection, names: Names, received: Received, *, zone: ZoneInfo, comments_kept: int
) -> None:
    """Days begin and end in ``zone``. Comments of replaced answers are removed; at most ``comments_kept`` are added."""
    tally = Tally()
    await _count_answers(connection, names, received.answers, tally, zone=zone, comments_kept=comments_kept)
    facts = [
        *await _facts_of_sends(names, received.sends, zone),
        *facts_of_deliveries(received.deliveries, zone),
        *facts_of_answers(received.answers, zone),
    ]
    if facts:
        count_surveys(tally, await surveys.write(connection, merged_facts(facts)))
    await day_changes.add(connection, tally.changes())


async def _count_answers(
    connection: AsyncConnection,
    names: Names,
    bodies: Sequence[GivenAnswer | AnswerErased],
    tally: Tally,
    *,
    zone: ZoneInfo,
    comments_kept: int,
) -> None:
    for revisions in rounds(bodies):
        stored = await _store(connection, names, revisions, tally, zone)
        await comments.remove(connection, stored.replaced)
        await comments.add(connection, newest_comments(stored.comments, comments_kept))


@dataclass(frozen=True, slots=True)
class _Stored:
    """The keys of answers that were stored before, and the comments of those that are stored now."""

    replaced: list[str] = field(default_factory=list)
    comments: list[NewComment] = field(default_factory=list)

    def add(self, batch: AnswerBatch, written: WrittenAnswers) -> None:
        self.replaced.extend(old.key for old in written.replaced)
        self.comments.extend(batch.comments_of(written))


async def _store(
    connection: AsyncConnection, names: Names, revisions: Revisions, tally: Tally, zone: ZoneInfo
) -> _Stored:
    """Writes the answers in slices: while PostgreSQL writes one, which takes it as long, the next is made ready."""
    stored, batch = _Stored(), AnswerBatch()
    writing: asyncio.Task[WrittenAnswers] | None = None
    try:
        for some in _slices(revisions):
            following = await _batch(names, some, zone)
            columns = answers.columns_of(following.rows)
            written = None if writing is None else await writing
            writing = asyncio.create_task(answers.write(connection, columns))
            await asyncio.sleep(0)  # it begins
            await asyncio.sleep(0)  # uvloop sends at the end of a turn
            if written is not None:
                batch.count(tally, written)
                stored.add(batch, written)
            batch = following
        if writing is not None:
            written = await writing
            batch.count(tally, written)
            stored.add(batch, written)
    finally:
        if writing is not None:  # whoever rolls back needs the connection
            await asyncio.gather(writing, return_exceptions=True)
    return stored


def _slices(revisions: Revisions) -> Iterator[Revisions]:
    """In the order of their keys, so that processes that write the same ones may wait, but never deadlock."""
    if len(revisions) <= _SLICE:
        yield revisions
        return
    ordered = iter(sorted(revisions.items()))
    while some := dict(islice(ordered, _SLICE)):
        yield some


async def _batch(names: Names, revisions: Revisions, zone: ZoneInfo) -> AnswerBatch:
    counted = [found for body in revisions.values() if (found := counts_as(body)) is not None]
    return batch_of(
        revisions,
        campaign_ids=await names.campaigns([one.campaign for one in counted]),
        segment_ids=await names.segments([one.segments for one in counted]),
        zone=zone,
    )


async def _facts_of_sends(names: Names, bodies: Sequence[SurveySent], zone: ZoneInfo) -> list[SurveyFacts]:
    """Which segments surveys count in."""
    sent = first_sends(bodies)
    return facts_of_sends(
        sent,
        campaign_ids=await names.campaigns([body.campaign for _, body in sent]),
        segment_ids=await names.segments([body.segments for _, body in sent]),
        zone=zone,
    )
