"""Writing down what became of deliveries: their state and the events that tell of it, in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.courier.domain.deliveries import End, Ending
from services.dispatcher.courier.repository import deliveries as repository
from services.dispatcher.courier.repository.deliveries import Ended
from shared import metrics
from shared.contracts import deliveries, identity
from shared.contracts.events import Event
from shared.contracts.topics import DELIVERIES
from shared.messaging.outbox import Outbox

PROVIDER = "smtp"

_EVENT_TYPES: dict[End, str] = {
    "accepted": deliveries.ACCEPTED,
    "bounced": deliveries.BOUNCED,
    "failed": deliveries.FAILED,
    "held": deliveries.FAILED,
}


async def end(
    connection: AsyncConnection, outbox: Outbox, claim: UUID | None, endings: Sequence[Ending], now: datetime
) -> None:
    """Ends the deliveries still under ``claim`` (None: taken from the queue), each with its event; not the others."""
    if not endings:
        return
    ended = await repository.end(connection, claim, endings, now)
    await outbox.put(connection, [_event(each, now) for each in ended])
    for each in ended:
        metrics.courier_mails.labels(each.ending.state).inc()


def _event(ended: Ended, now: datetime) -> Event:
    ending = ended.ending
    event_type = _EVENT_TYPES[ending.state]
    return Event(
        topic=DELIVERIES.name,
        key=ending.send_id,
        event_id=identity.event_id(event_type, ending.send_id),
        type=event_type,
        time=now,
        body=deliveries.Delivery(
            send_id=ending.send_id,
            channel="email",
            provider=PROVIDER,
            occurred_at=now,
            campaign=ended.campaign,
            reason=ending.reason,
        ),
        traceparent=ended.traceparent,
    )
