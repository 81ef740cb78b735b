"""Stores each customer's latest preferences, and erases customers."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions import erasures
from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.suppressions import said
from services.dispatcher.repository import customers, deliveries, suppressions
from shared.contracts import preferences
from shared.contracts.cloudevents import Message
from shared.contracts.preferences import Preference
from shared.digests import CustomerDigests
from shared.messaging import forgetting


async def ingest(
    connection: AsyncConnection,
    received: Sequence[tuple[Message, Preference]],
    digests: CustomerDigests,
    now: datetime,
) -> None:
    """Stores the latest state of every channel, also by mailbox. An erasure also clears orders and cancels timers.

    Duplicate and stale messages are no-ops.
    """
    newest: dict[str, Preference] = {}
    erased_at: dict[str, datetime] = {}
    for message, body in received:
        if body.customer_id not in newest or body.revision > newest[body.customer_id].revision:
            newest[body.customer_id] = body
        if message.type == preferences.ERASED:
            erased_at[body.customer_id] = max(erased_at.get(body.customer_id, body.occurred_at), body.occurred_at)
    erased_at |= await erasures.people_behind(connection, erased_at)
    # Orders are locked before customers, as everywhere, to avoid deadlocks.
    begun = await erasures.lock_first_orders(connection, sorted(erased_at))
    known = await customers.lock(connection, newest.keys() | erased_at.keys())
    # From every message, not only the newest: an erasure no longer says what the unsubscription before it did.
    told = [
        suppression
        for _, body in received
        for suppression in said(body, email=known[body.customer_id].detail("email"), digests=digests)
    ]
    await suppressions.put(connection, told)
    changed: dict[str, Customer] = {}
    for customer_id, customer in known.items():
        if customer_id in newest:
            customer = customer_rules.prefer(customer, newest[customer_id])
        if (at := erased_at.get(customer_id)) is not None:
            went_on = begun.may_have_gone_on(customer_id, after=at)
            customer = customer_rules.erase(customer, at, older_orders_went_on=went_on)
        if customer != known[customer_id]:
            changed[customer_id] = customer
    if changed:
        await customers.write(connection, list(changed.values()))
    erased = {customer_id: changed[customer_id] for customer_id in erased_at if customer_id in changed}
    if erased:
        # The courier will find no address left, and clear the personal data in its own rows.
        await deliveries.bring_forward(connection, sorted(erased))
        await erasures.begin(connection, erased, begun, now)
    await forgetting.blank(connection, erased_at)
