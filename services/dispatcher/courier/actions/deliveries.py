"""Queues deliveries and records their outcome: state and events, in one transaction."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.channels import channel
from services.dispatcher.courier.domain.deliveries import End, EndedDelivery, Ending, NewDelivery, Results
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.settings import CourierSettings
from shared import metrics
from shared.contracts import deliveries
from shared.contracts.events import Event
from shared.contracts.sends import Channel, SurveySent
from shared.messaging.outbox import Outbox
from shared.persistence.engine import is_fault_of_data, what_failed
from shared.runtime import Runtime

log = structlog.get_logger()

_EVENT_TYPES: dict[End, str] = {
    "accepted": deliveries.ACCEPTED,
    "bounced": deliveries.BOUNCED,
    "failed": deliveries.FAILED,
    "held": deliveries.FAILED,
}


async def queue(
    connection: AsyncConnection,
    channels: Mapping[str, channel.Channel[Any]],
    surveys: Iterable[tuple[SurveySent, str | None]],
) -> None:
    """Queues a delivery for each survey that has none yet; ``surveys`` come with their traceparents.

    A survey for a channel that is not among ``channels`` (by name) is queued, too, and ends as unsupported.
    """
    new: dict[str, NewDelivery] = {}
    for survey, traceparent in surveys:
        carrier = channels.get(survey.channel)
        message_id = survey.send_id if carrier is None else carrier.message_id(survey.send_id)
        new.setdefault(survey.send_id, NewDelivery(survey=survey, message_id=message_id, traceparent=traceparent))
    if new:
        await repository.queue(connection, list(new.values()))


async def write_results(
    runtime: Runtime[CourierSettings],
    claim: UUID,
    results: Results,
    *,
    channel: Channel,
    provider: str,
    check_after: float,
) -> None:
    """Writes ``results`` for what is still under ``claim``; unresolved ones are checked after ``check_after`` seconds.

    Deliveries that another courier has taken over are left alone. One by one after a failure that is the data's fault:
    a result that cannot be written is told, and after its lease the delivery counts as unresolved, as if this process
    had died.
    """
    write = functools.partial(_write, runtime, claim, channel=channel, provider=provider, check_after=check_after)
    try:
        await write(results)
    except Exception as error:
        if not is_fault_of_data(error):
            raise
    else:
        return
    for each in results.one_by_one():
        try:
            await write(each)
        except Exception as error:
            if not is_fault_of_data(error):
                raise
            log.error("an outcome cannot be written", error=what_failed(error))


async def _write(
    runtime: Runtime[CourierSettings],
    claim: UUID,
    results: Results,
    *,
    channel: Channel,
    provider: str,
    check_after: float,
) -> None:
    async with runtime.transaction() as connection:
        await end(
            connection,
            runtime.outbox,
            claim,
            results.endings,
            runtime.clock.now(),
            channel=channel,
            provider=provider,
        )
        if results.retries:
            await repository.put_off(connection, claim, results.retries)
        if results.unresolved:
            await repository.leave_unresolved(connection, claim, results.unresolved, check_after)


async def end(
    connection: AsyncConnection,
    outbox: Outbox,
    claim: UUID | None,
    endings: Sequence[Ending],
    now: datetime,
    *,
    channel: Channel,
    provider: str,
) -> None:
    """Ends the deliveries still under ``claim`` (None: taken from the queue), each with its event; skips the others."""
    if not endings:
        return
    ended = await repository.end(connection, claim, endings, now)
    await outbox.put(connection, [_event(each, now, channel=channel, provider=provider) for each in ended])
    for each in ended:
        metrics.courier_deliveries.labels(each.ending.state).inc()


def _event(ended: EndedDelivery, now: datetime, *, channel: Channel, provider: str) -> Event:
    ending = ended.ending
    return deliveries.event(
        _EVENT_TYPES[ending.state],
        deliveries.Delivery(
            send_id=ending.send_id,
            channel=channel,
            provider=provider,
            occurred_at=now,
            campaign=ended.campaign,
            reason=ending.reason,
        ),
        traceparent=ended.traceparent,
    )
