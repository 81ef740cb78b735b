"""Publishes scores that changed, through new answers or because a day ended.

A segment whose scores cannot be made, because of what is stored about it, holds up no other: it is left out until it
changes again.
"""

from dataclasses import dataclass
from datetime import date, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publication import scores_to_publish, spans_ending
from services.scorer.domain.windows import day_of, days_that_moved, last_day_to_publish, start_of
from services.scorer.repository import day_counts, names, scores
from services.scorer.settings import ScorerSettings
from shared.contracts.scores import event as score_event
from shared.persistence.engine import is_fault_of_data, what_failed
from shared.runtime import Runtime

log = structlog.get_logger()

_SEGMENTS_AT_ONCE = 25
"""A round locks the counts it takes, which blocks batches: about 6 ms per segment with three years of days."""

# As many segments, and all of a round: then it is not their data that is at fault.
_OWN_FAULT = 3

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
    try:
        return await _publish_next(runtime, after=after, most=_SEGMENTS_AT_ONCE)
    except Exception as error:
        if not is_fault_of_data(error):
            raise
    return await _publish_one_by_one(runtime, after=after)


async def _publish_one_by_one(runtime: Runtime[ScorerSettings], *, after: int) -> Round:
    """A segment a transaction, after the data of one of them failed the round; those at fault are left out.

    Raises their error if nothing could be published: then the fault is our own.
    """
    async with runtime.read_only() as connection:
        segment_ids = await day_counts.changed(connection, after=after, limit=_SEGMENTS_AT_ONCE)
    at_fault: dict[int, Exception] = {}
    for segment_id in segment_ids:
        try:
            await _publish_next(runtime, after=segment_id - 1, most=1)
        except Exception as error:
            if not is_fault_of_data(error):
                raise
            at_fault[segment_id] = error
    if len(at_fault) == len(segment_ids) >= _OWN_FAULT:
        raise at_fault[segment_ids[0]]
    for segment_id, fault in at_fault.items():
        async with runtime.transaction() as connection:
            await day_counts.take_changed(connection, after=segment_id - 1, limit=1)
        log.error(
            "the scores of a segment cannot be published, and are left out until it changes again",
            segment_id=segment_id,
            error=what_failed(fault),
        )
    more = len(segment_ids) == _SEGMENTS_AT_ONCE
    return Round(segment_ids[-1] if more else BEFORE_ALL, more)


async def _publish_next(runtime: Runtime[ScorerSettings], *, after: int, most: int) -> Round:
    zone = runtime.settings.zone
    now = runtime.clock.now()
    async with runtime.transaction() as connection:
        if not await scores.take_turn(connection):
            return Round(after, more=False)
        today = await _begin_day(connection, day_of(now, zone))
        now = max(now, start_of(today, zone))
        segment_ids = await day_counts.take_changed(connection, after=after, limit=most)
        if segment_ids:
            await _publish_segments(connection, runtime, segment_ids, today=today, now=now)
    more = len(segment_ids) == most
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
