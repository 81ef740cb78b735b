"""Stores each customer's latest preferences, and erases customers."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import of_erasure
from services.dispatcher.repository import customers, decisions, deliveries, orders, timers
from shared.contracts import preferences
from shared.contracts.cloudevents import Message
from shared.contracts.preferences import Preference


async def ingest(connection: AsyncConnection, received: Sequence[tuple[Message, Preference]], now: datetime) -> None:
    """Stores the latest state of every channel. An erasure also clears orders and cancels timers.

    Duplicate and stale messages are no-ops.
    """
    newest: dict[str, Preference] = {}
    erased_at: dict[str, datetime] = {}
    for message, body in received:
        if body.customer_id not in newest or body.revision > newest[body.customer_id].revision:
            newest[body.customer_id] = body
        if message.type == preferences.ERASED:
            erased_at[body.customer_id] = max(erased_at.get(body.customer_id, body.occurred_at), body.occurred_at)
    # Orders are locked before customers, as everywhere, to avoid deadlocks.
    their_orders = await orders.lock_of_customers(connection, sorted(erased_at)) if erased_at else []
    known = await customers.lock(connection, newest)
    changed: dict[str, Customer] = {}
    for customer_id, preference in newest.items():
        customer = customer_rules.prefer(known[customer_id], preference)
        if customer_id in erased_at:
            customer = customer_rules.erase(customer, erased_at[customer_id])
        if customer != known[customer_id]:
            changed[customer_id] = customer
    if changed:
        await customers.write(connection, list(changed.values()))
    erased = {customer_id: changed[customer_id] for customer_id in erased_at if customer_id in changed}
    if not erased:
        return
    emptied = [
        order_rules.without_attributes(order)
        for order in their_orders
        if order.customer_id in erased and erased[order.customer_id].was_erased_by(order.first_event_at)
    ]
    if emptied:
        await orders.write(connection, emptied)
    # The courier will find no address left, and clear the personal data in its own rows.
    await deliveries.bring_forward(connection, sorted(erased))
    await _cancel_timers(connection, erased, {order.order_id for order in emptied}, now)


async def _cancel_timers(
    connection: AsyncConnection, erased: Mapping[str, Customer], emptied: Set[str], now: datetime
) -> None:
    """Cancels all timers of erased customers, except those about orders placed after the erasure."""
    cancelled = [
        timer
        for timer in await timers.all_of_customers(connection, sorted(erased))
        if timer.order_id is None or timer.order_id in emptied
    ]
    await timers.remove(connection, [timer.timer_id for timer in cancelled])
    await decisions.put(connection, [of_erasure(timer, now) for timer in cancelled])
