"""Publishes scores that changed, through new answers or because a day ended."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publication import scores_to_publish, spans_ending
from services.scorer.domain.windows import day_of, days_that_moved, last_day_to_publish, start_of
from services.scorer.repository import day_counts, names, scores
from services.scorer.settings import ScorerSettings
from shared.contracts.scores import event as score_event
from shared.runtime import Runtime

_SEGMENTS_AT_ONCE = 25
"""A round locks the counts it takes, which blocks batches: about 6 ms per segment with three years of days."""

BEFORE_ALL = -1


@dataclass(frozen=True, slots=True)
class Round:
    """``after`` is the segment to continue after; ``more`` when there may be more changed ones."""

    after: int
    more: bool


async def publish_scores(runtime: Runtime[ScorerSettings], *, after: int = BEFORE_ALL) -> Round:
    """Publishes the changed scores of the next segments after segment ``after``, in one transaction.

    Round-robin, so that busy segments with low ids do not starve the others. A no-op while another process
    publishes.
    """
    zone = runtime.settings.zone
    now = runtime.clock.now()
    async with runtime.transaction() as connection:
        if not await scores.take_turn(connection):
            return Round(after, more=False)
        today = await _begin_day(connection, day_of(now, zone))
        now = max(now, start_of(today, zone))
        segment_ids = await day_counts.take_changed(connection, after=after, limit=_SEGMENTS_AT_ONCE)
        if segment_ids:
            await _publish_segments(connection, runtime, segment_ids, today=today, now=now)
    more = len(segment_ids) == _SEGMENTS_AT_ONCE
    return Round(segment_ids[-1] if more else BEFORE_ALL, more)


async def _begin_day(connection: AsyncConnection, today: date) -> date:
    """The last day of the windows to publish; marks what changes if another process has published those of another."""
    published = await scores.last_day(connection)
    last_day = last_day_to_publish(today, published=published)
    if last_day != published:
        if published is not None:
            await day_counts.mark(connection, days_that_moved(published, last_day))
        await scores.set_last_day(connection, last_day)
    return last_day


async def _publish_segments(
    connection: AsyncConnection, runtime: Runtime[ScorerSettings], segment_ids: list[int], *, today: date, now: datetime
) -> None:
    sums = await day_counts.sums_of_segments(connection, segment_ids, spans_ending(today))
    published = await scores.published(connection, segment_ids)
    campaign_ids = {key.campaign_id for key in sums} | {key.campaign_id for key in published}
    publications = scores_to_publish(
        sums,
        published,
        segments=await names.segment_names(connection, segment_ids),
        campaigns=await names.campaign_names(connection, campaign_ids),
        now=now,
        minimum=runtime.settings.minimum_answers,
    )
    await scores.record(connection, publications)
    await runtime.outbox.put(connection, [score_event(one.body) for one in publications])
