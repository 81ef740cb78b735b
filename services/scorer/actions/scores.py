"""Publishes the scores that changed, through new answers or because a day began.

A segment whose scores cannot be made, because of what is stored about it, holds up no other: it is left out until it
changes again.
"""

from collections.abc import Sequence
from datetime import date

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.publication import Key, Waiting, scores_to_publish
from services.scorer.domain.publisher import moment_in
from services.scorer.repository import publisher, scores, window_sums
from services.scorer.settings import ScorerSettings
from shared.contracts.scores import event as score_event
from shared.persistence.engine import is_fault_of_data, what_failed
from shared.runtime import Runtime

log = structlog.get_logger()

_AT_ONCE = 50
"""Segments of a campaign, with five windows each: some tens of milliseconds in which the process does nothing else."""

# As many segments, and all of a round: then it is not their data that is at fault.
_OWN_FAULT = 3


async def publish_everybody(runtime: Runtime[ScorerSettings]) -> None:
    """Publishes what changed of everybody's scores, for all campaigns together and for some of them, before anything
    else.

    A no-op while it is another process's turn. Those of further campaigns, and scores that cannot be made, are left to
    ``publish_oldest``.
    """
    waiting: list[Waiting] = []
    try:
        async with runtime.transaction() as connection:
            day = await _day_in_turn(connection)
            if day is not None:
                waiting = await window_sums.of_everybody(connection, day=day, most=_AT_ONCE)
                await _publish(connection, runtime, waiting, day)
    except Exception as error:
        if not waiting or not is_fault_of_data(error):
            raise


async def publish_oldest(runtime: Runtime[ScorerSettings]) -> bool:
    """Publishes the scores that have been waiting longest, in one transaction; whether there may be more.

    A no-op while it is another process's turn, and until all sums are of the current day.
    """
    waiting: list[Waiting] = []
    try:
        async with runtime.transaction() as connection:
            day = await _day_in_turn(connection, of_all=True)
            if day is not None:
                waiting = await window_sums.oldest(connection, day=day, most=_AT_ONCE)
                await _publish(connection, runtime, waiting, day)
                if waiting:
                    await publisher.published_to(connection, waiting[-1].since)
    except Exception as error:
        if not waiting or not is_fault_of_data(error):
            raise
        await _publish_one_by_one(runtime, [one.key for one in waiting])
    return len(waiting) == _AT_ONCE


async def _day_in_turn(connection: AsyncConnection, *, of_all: bool = False) -> date | None:
    """The day whose scores may be published now; with ``of_all`` only if the sums of all segments are of it. None if
    there is none, and if it is not this process's turn."""
    if not await publisher.take_turn(connection):
        return None
    known = await publisher.read(connection)
    if known.partly_folded or (of_all and known.walk.to is not None):
        return None
    return known.last_day


async def _publish(
    connection: AsyncConnection, runtime: Runtime[ScorerSettings], waiting: Sequence[Waiting], day: date
) -> None:
    """Publishes what differs from what was published, and notes that nothing of it is waiting any more."""
    if not waiting:
        return
    keys = [one.key for one in waiting]
    publications = scores_to_publish(
        waiting,
        await scores.published(connection, keys),
        now=moment_in(day, runtime.clock.now(), runtime.settings.zone),
        minimum=runtime.settings.minimum_answers,
    )
    await scores.record(connection, publications)
    await window_sums.not_waiting(connection, keys)
    await runtime.outbox.put(connection, [score_event(one.body) for one in publications])


async def _publish_one_by_one(runtime: Runtime[ScorerSettings], keys: Sequence[Key]) -> None:
    """A segment of a campaign a transaction, after the data of one of them failed all; those at fault are left out.

    Raises their error if nothing could be published: then the fault is our own.
    """
    at_fault: dict[Key, Exception] = {}
    for key in keys:
        try:
            async with runtime.transaction() as connection:
                day = await _day_in_turn(connection)
                if day is not None:
                    await _publish(connection, runtime, await window_sums.of_key(connection, key, day=day), day)
        except Exception as error:
            if not is_fault_of_data(error):
                raise
            at_fault[key] = error
    if len(at_fault) == len(keys) >= _OWN_FAULT:
        raise at_fault[keys[0]]
    for key, fault in at_fault.items():
        async with runtime.transaction() as connection:
            if not await publisher.take_turn(connection):
                return
            await window_sums.not_waiting(connection, [key])
        log.error(
            "the scores of a segment cannot be published, and are left out until it changes again",
            segment_id=key.segment_id,
            campaign_id=key.campaign_id,
            error=what_failed(fault),
        )
