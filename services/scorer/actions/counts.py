"""Counting a batch of answers, sends and deliveries: each table in one statement, then the change to the day counts.

All in the caller's transaction, so that after every commit the day counts and their changes that are not folded yet are
the sum over the stored answers and surveys, even with duplicates, late events and concurrent processes. What comes
together is counted together; the changes are only appended, so that replicas do not wait for one another there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.actions.names import Names
from services.scorer.domain.answers import GivenAnswer, batch_of, counts_as, newest_comments, rounds
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
        counted = [found for body in revisions.values() if (found := counts_as(body)) is not None]
        batch = batch_of(
            revisions,
            campaign_ids=await names.campaigns([one.campaign for one in counted]),
            segment_ids=await names.segments([one.segments for one in counted]),
            zone=zone,
        )
        written = await answers.write(connection, batch.rows)
        batch.count(tally, written)
        await comments.remove(connection, [old.key for old in written.replaced])
        await comments.add(connection, newest_comments(batch.comments_of(written), comments_kept))


async def _facts_of_sends(names: Names, bodies: Sequence[SurveySent], zone: ZoneInfo) -> list[SurveyFacts]:
    """Which segments surveys count in."""
    sent = first_sends(bodies)
    return facts_of_sends(
        sent,
        campaign_ids=await names.campaigns([body.campaign for _, body in sent]),
        segment_ids=await names.segments([body.segments for _, body in sent]),
        zone=zone,
    )
