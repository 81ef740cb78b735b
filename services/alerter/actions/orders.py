"""Stores what customers ordered, and their contact details from orders."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.cases import publish_completed
from services.alerter.domain.customers import Customer, with_order
from services.alerter.domain.orders import Order, with_event
from services.alerter.repository import customers, orders
from services.alerter.settings import AlerterSettings
from shared.contracts.orders import OrderEvent
from shared.runtime import Runtime


async def store(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    events: Sequence[tuple[str, OrderEvent]],
) -> None:
    """Folds ``events``, pairs of event type and body, into orders and customers; completes the cases waiting for them.

    An event from before its customer's erasure is dropped.
    """
    keys = {event.customer.id: runtime.digests.key(event.customer.id) for _, event in events}
    locked = await customers.lock(connection, keys.values())
    known = await orders.read(connection, {event.order_id for _, event in events})
    changed_customers: dict[UUID, Customer] = {}
    changed_orders: dict[str, tuple[UUID, Order]] = {}
    for event_type, event in events:
        key, order_id = keys[event.customer.id], event.order_id
        if not locked[key].may_keep(event.occurred_at):
            continue
        customer = changed_customers.get(key) or locked[key].customer or Customer(customer_id=event.customer.id)
        changed_customers[key] = with_order(customer, event)
        order = changed_orders[order_id][1] if order_id in changed_orders else known.get(order_id)
        changed_orders[order_id] = key, with_event(order, event_type, event)
    await customers.save(connection, changed_customers)
    await orders.save(connection, list(changed_orders.values()))
    await publish_completed(connection, runtime, customer_keys=changed_customers, order_ids=changed_orders)
