"""Unsubscribing and resubscribing through the link in each survey."""

from collections.abc import Iterable, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions.contention import ATTEMPTS, Contended
from services.collector.domain.preferences import (
    KINDS,
    PendingPreference,
    PreferenceChange,
    Preferences,
    RequestedChange,
    SendRecipient,
    preferences_after,
)
from services.collector.domain.surveys import ErasedSurvey, known
from services.collector.repository import erased_ids, erasures, pending_preferences, preferences, surveys
from services.collector.settings import CollectorSettings
from shared import metrics, tracing
from shared.contracts import preferences as contract
from shared.contracts.events import Event
from shared.contracts.preferences import Preference
from shared.runtime import Runtime


async def change_preference(runtime: Runtime[CollectorSettings], send_id: str, change: PreferenceChange) -> bool:
    """Unsubscribes or resubscribes the send's customer and publishes it; a no-op if nothing changes. Links of closed
    surveys work too.

    Returns True when done. Returns False when the send is unknown: the change is then stored as pending and applied
    with the send, because mail clients do not retry. Raises ErasedSurvey or Contended; then nothing was changed.
    """
    async with runtime.transaction() as connection:
        survey = await surveys.hold(connection, send_id)
        if survey is None:
            await pending_preferences.hold_off_sends(connection)
            survey = await surveys.hold(connection, send_id)
        now = runtime.clock.now()
        if survey is None:
            await pending_preferences.put(connection, PendingPreference(send_id, change, now))
            metrics.pending_preferences.labels("kept").inc()
            return False
        send = known(survey).send
        if send.customer_id is None:
            raise ErasedSurvey
        recipient = SendRecipient(customer_id=send.customer_id, channel=send.channel, address=send.address)
        await apply(connection, runtime, [RequestedChange(recipient, change, now)])
        return True


async def apply(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], requested: Iterable[RequestedChange]
) -> None:
    """Writes the changes, at most one per customer, with their events. Raises Contended."""
    waiting = {change.recipient.customer_id: change for change in requested}
    for _ in range(ATTEMPTS):
        changed = await _changed_preferences(connection, runtime, waiting)
        if not changed:
            return
        written = await preferences.put(connection, changed)
        await erased_ids.remove(connection, written)
        events = [_event(waiting[customer_id], changed[customer_id]) for customer_id in sorted(written)]
        await runtime.outbox.put(connection, events)
        waiting = {customer_id: waiting[customer_id] for customer_id in changed.keys() - written}
        if not waiting:
            return
    raise Contended("the customer's preferences", f"changed {ATTEMPTS} times")


async def _changed_preferences(
    connection: AsyncConnection, runtime: Runtime[CollectorSettings], requested: Mapping[str, RequestedChange]
) -> dict[str, Preferences]:
    """The new preferences of those customers whose request changes them."""
    stored = await preferences.read(connection, sorted(requested))
    # A customer who was erased before must not restart at revision 1.
    digest = runtime.digests.digest
    digests = {customer_id: digest(customer_id) for customer_id in requested.keys() - stored.keys()}
    revisions = await erasures.preference_revisions(connection, digests.values())
    new = {customer_id: Preferences(revisions.get(digests[customer_id], 0), []) for customer_id in digests}
    before = {**stored, **new}
    after = {customer_id: preferences_after(before[customer_id], change) for customer_id, change in requested.items()}
    return {customer_id: changed for customer_id, changed in after.items() if changed is not None}


def _event(requested: RequestedChange, after: Preferences) -> Event:
    body = Preference(
        customer_id=requested.recipient.customer_id,
        revision=after.revision,
        channels=after.channels,
        occurred_at=requested.requested_at,
    )
    return contract.event(KINDS[requested.change], body, traceparent=tracing.current())
