"""Brings the day counts and the sums of windows up to date: with what batches have added, and when a day begins.

After every commit the day counts and the changes that are not folded yet are the sum over the stored answers, and each
row of sums is the sum over the day counts. Only one process at a time does this; batches never wait for it.

A change that cannot be folded, because of what is stored, holds up no other: it is set aside. It goes on counting
wherever day counts are read, but not in what is published.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publication import rules_of
from services.scorer.domain.publisher import BEFORE_ALL, Publisher
from services.scorer.domain.segments import EVERYBODY_ID
from services.scorer.domain.tally import Cell
from services.scorer.domain.windows import dates_that_moved, day_of
from services.scorer.repository import day_changes, publisher, window_sums
from services.scorer.settings import ScorerSettings
from shared.persistence.engine import is_fault_of_data, what_failed
from shared.persistence.transaction import savepoint
from shared.runtime import Runtime

log = structlog.get_logger()

CHANGES_AT_ONCE = 10_000
"""Less than a second, or a few if the machine is busy: far from the limits on statements and transactions."""

_SEGMENTS_AT_ONCE = 200
_SEGMENTS_SUMMED_UP_AT_ONCE = 10
"""From all their days: there may be thousands, of each of several campaigns."""

# As many rows of the day counts, and all of a fold: then it is not their data that is at fault.
_OWN_FAULT = 3

# From further away, summing up all days reads less than those that moved.
_FAR = timedelta(days=31)


async def fold_changes(runtime: Runtime[ScorerSettings], *, most: int = CHANGES_AT_ONCE) -> bool:
    """Folds ``most`` changes, in one transaction; True if there are more, without which no score can be published.

    A no-op while it is another process's turn.
    """
    try:
        async with runtime.transaction() as connection:
            if not await publisher.take_turn(connection):
                return False
            await publisher.forget_future(connection)
            known, day = await _begin_day(connection, runtime)
            return await window_sums.fold(connection, most=most, day=day, made_to=known.made_to)
    except Exception as error:
        if not is_fault_of_data(error):
            raise
        await _fold_around_fault(runtime, error, most=most)
    return True


async def _fold_around_fault(runtime: Runtime[ScorerSettings], error: Exception, *, most: int) -> None:
    """Folds what can be folded of what failed together, and sets the rest aside.

    Raises ``error``, or one like it, if nothing could be folded: then the fault is our own.
    """
    async with runtime.transaction() as connection:
        if not await publisher.take_turn(connection):
            return
        await publisher.forget_future(connection)
        known, day = await _begin_day(connection, runtime)
        cells = await window_sums.cells_to_fold(connection, most=most)
        at_fault = await _fold_in_parts(connection, cells, known, day)
        if not cells or len(at_fault) == len(cells) >= _OWN_FAULT:
            raise error
        await day_changes.set_aside(connection, list(at_fault))
    for cell, fault in at_fault.items():
        log.error(
            "what was counted cannot be added to the day counts, and is set aside",
            segment_id=cell.segment_id,
            campaign_id=cell.campaign_id,
            day=cell.day.isoformat(),
            error=what_failed(fault),
        )


async def _fold_in_parts(
    connection: AsyncConnection, cells: Sequence[Cell], known: Publisher, day: date
) -> dict[Cell, Exception]:
    """Folds the changes of these cells, and halves what fails; returns those that fail alone, with their errors."""
    at_fault: dict[Cell, Exception] = {}
    parts = [cells] if cells else []
    while parts:
        part = parts.pop()
        try:
            async with savepoint(connection):
                await window_sums.fold_cells(connection, part, day=day, made_to=known.made_to)
        except Exception as error:
            if not is_fault_of_data(error):
                raise
            half = len(part) // 2
            if half:
                parts += [part[half:], part[:half]]
            else:
                at_fault[part[0]] = error
    return at_fault


async def walk(runtime: Runtime[ScorerSettings]) -> bool:
    """Brings the sums of the next segments to the current day, in one transaction; whether there may be more.

    A no-op while it is another process's turn, and when all are of that day.
    """
    async with runtime.transaction() as connection:
        if not await publisher.take_turn(connection):
            return False
        known, day = await _begin_day(connection, runtime)
        after = known.walk.to
        if after is None:
            return False
        last, more = await window_sums.next_segments(connection, after=after, most=_SEGMENTS_AT_ONCE)
        found = await window_sums.days(connection, after=after, last=last, day=day)
        if known.building or any(_is_far(since, day) for since in found):
            last, more = await window_sums.next_segments(connection, after=after, most=_SEGMENTS_SUMMED_UP_AT_ONCE)
        await _bring(connection, found, after=after, last=last, day=day)
        if known.building:
            await window_sums.sum_up_missing(connection, after=after, last=last, day=day)
        rules = rules_of(runtime.settings.minimum_answers)
        await window_sums.outdated(connection, after=after, last=last, rules=rules)
        known = known.walked(last, more=more)
        await publisher.write(connection, known)
    return known.walk.to is not None


async def _begin_day(connection: AsyncConnection, runtime: Runtime[ScorerSettings]) -> tuple[Publisher, date]:
    """What the publishers know, and the last day of the windows. Everybody's sums are brought to it first."""
    known = await publisher.read(connection)
    day = known.on(day_of(runtime.clock.now(), runtime.settings.zone))
    if day != known.last_day:
        known = known.begun(day)
        await publisher.write(connection, known)
        found = await window_sums.days(connection, after=BEFORE_ALL, last=EVERYBODY_ID, day=day)
        await _bring(connection, found, after=BEFORE_ALL, last=EVERYBODY_ID, day=day)
    return known, day


def _is_far(since: date, day: date) -> bool:
    return abs(day - since) > _FAR


async def _bring(connection: AsyncConnection, found: Sequence[date], *, after: int, last: int, day: date) -> None:
    """Brings the sums of the segments after ``after`` up to ``last``, which are of the days ``found``, to ``day``."""
    for since in found:
        if _is_far(since, day):
            await window_sums.sum_up(connection, after=after, last=last, since=since, day=day)
        else:
            moved = dates_that_moved(since, day)
            await window_sums.move(connection, after=after, last=last, since=since, day=day, moved=moved)
