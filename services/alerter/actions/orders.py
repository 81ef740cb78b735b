"""Stores what customers ordered, and their contact details from orders."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.cases import publish_completed
from services.alerter.domain.customers import Customer, with_order
from services.alerter.domain.orders import Order, with_event
from services.alerter.repository import customers, erasures, orders
from services.alerter.repository.customers import LockedCustomer
from services.alerter.settings import AlerterSettings
from shared.contracts.orders import OrderEvent
from shared.order_facts import said_at
from shared.runtime import Runtime


async def store(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    events: Sequence[tuple[str, OrderEvent]],
) -> None:
    """Folds ``events``, pairs of event type and body, into orders and customers; completes the cases waiting for them.

    An order that began before its customer's erasure is dropped, whatever happens to it later.
    """
    keys = {event.customer.id: runtime.digests.key(event.customer.id) for _, event in events}
    locked = await customers.lock(connection, runtime.digests, keys.values())
    events = await _without_erased(connection, runtime, events, keys, locked)
    known = await orders.read(connection, {event.order_id for _, event in events})
    changed_customers: dict[UUID, Customer] = {}
    changed_orders: dict[str, tuple[UUID, Order]] = {}
    now = runtime.clock.now()
    for event_type, event in events:
        at = said_at(event, arrived_at=now)
        key, order_id = keys[event.customer.id], event.order_id
        customer = changed_customers.get(key) or locked[key].customer or Customer(customer_id=event.customer.id)
        changed_customers[key] = with_order(customer, event, at)
        order = changed_orders[order_id][1] if order_id in changed_orders else known.get(order_id)
        changed_orders[order_id] = key, with_event(order, event_type, event, at)
    await customers.save(connection, changed_customers)
    await orders.save(connection, list(changed_orders.values()))
    await publish_completed(connection, runtime, customer_keys=changed_customers, order_ids=changed_orders)


async def _without_erased(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    events: Sequence[tuple[str, OrderEvent]],
    keys: Mapping[str, UUID],
    locked: dict[UUID, LockedCustomer],
) -> list[tuple[str, OrderEvent]]:
    """The events of orders that were not erased.

    An event from before its customer's erasure tells that the order was theirs then: if later ones came first, what
    they told is deleted again, the customer's details with it, because nothing says which order told which.
    """
    found: dict[str, datetime] = {}
    begun_by: set[UUID] = set()
    for _, event in events:
        key = keys[event.customer.id]
        erased_at = locked[key].erased_at
        if erased_at is not None and not locked[key].may_keep(said_at(event, arrived_at=runtime.clock.now())):
            found[event.order_id] = max(erased_at, found.get(event.order_id, erased_at))
            begun_by.add(key)
    if found:
        await erasures.remember_orders(connection, runtime.digests, found)
        if await orders.delete(connection, found):
            await customers.erase(connection, begun_by)
            locked.update(await customers.lock(connection, runtime.digests, begun_by))
    erased = await erasures.of_orders(connection, runtime.digests, {event.order_id for _, event in events})
    return [(kind, event) for kind, event in events if event.order_id not in erased]
