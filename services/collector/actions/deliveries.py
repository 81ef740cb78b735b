"""What became of surveys on their way: a mailbox that does not exist, or whose owner complained, is remembered."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions import preferences
from services.collector.domain.preferences import DELIVERY_CHANGES, PendingPreference, RequestedChange
from services.collector.repository import erasures, pending_preferences, sends
from services.collector.settings import CollectorSettings
from shared import metrics
from shared.contracts.cloudevents import Message
from shared.contracts.deliveries import Delivery
from shared.runtime import Runtime


async def remember(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], received: Sequence[tuple[Message, Delivery]]
) -> None:
    """Publishes the preferences that follow from bounces and complaints; of other deliveries, nothing does.

    What concerns a survey that is not known yet waits for it, as a customer's own change does. Must come before the
    batch's surveys are stored: both lock the table of what waits, and this needs the stronger lock.
    """
    told: dict[str, PendingPreference] = {}
    for message, body in received:
        change = DELIVERY_CHANGES.get(message.type)
        if change is not None and (body.send_id not in told or change == "complain"):
            told[body.send_id] = PendingPreference(body.send_id, change, body.occurred_at)
    if not told:
        return
    # No erasure until the end of the batch, which would otherwise miss what is written here.
    await erasures.erased_among(connection, [])
    await pending_preferences.hold_off_sends(connection)
    known = await sends.known_among(connection, sorted(told))
    waiting = [told[send_id] for send_id in sorted(told.keys() - known)]
    if waiting:
        await pending_preferences.put_unless_chosen(connection, waiting)
        metrics.pending_preferences.labels("kept").inc(len(waiting))
    await settle(connection, runtime, {send_id: told[send_id] for send_id in known})


async def settle(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], told: Mapping[str, PendingPreference]
) -> None:
    """Applies bounces and complaints, by the send id of a known survey; those of erased customers are dropped."""
    recipients = await sends.read_recipients(connection, sorted(told))
    digest = runtime.digests.mailbox
    remaining = [
        RequestedChange(
            recipient,
            told[send_id].change,
            told[send_id].requested_at,
            address_digest=digest(recipient.address) if recipient.address else None,
        )
        for send_id, recipient in sorted(recipients.items())
    ]
    while remaining:
        # One of each customer at a time; hardly ever has one more than one in a batch.
        now: dict[str, RequestedChange] = {}
        later: list[RequestedChange] = []
        for change in remaining:
            if change.recipient.customer_id in now:
                later.append(change)
            else:
                now[change.recipient.customer_id] = change
        await preferences.apply(connection, runtime, now.values())
        remaining = later
