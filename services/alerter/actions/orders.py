"""Stores what customers ordered, who they are and how to reach them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import cases_of_erased
from services.alerter.actions.cases import publish_completed
from services.alerter.actions.erasures import erase_by_key
from services.alerter.domain.customers import Customer, with_order
from services.alerter.domain.orders import Order, with_event
from services.alerter.queries import shared_ids
from services.alerter.repository import customers, erasures, orders, surveys
from services.alerter.repository.customers import LockedCustomer
from services.alerter.repository.orders import StoredOrder
from services.alerter.settings import AlerterSettings
from shared.contracts.orders import OrderEvent
from shared.erasures import is_erased
from shared.moments import latest
from shared.order_facts import said_at
from shared.runtime import Runtime


async def store(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    events: Sequence[tuple[str, OrderEvent]],
) -> None:
    """Folds ``events``, pairs of event type and body, into orders and customers; completes the cases waiting for them.

    An order belongs to the customer its events name, or to whoever placed it if that id is many people's. One that
    began before its customer's erasure is dropped, whatever happens to it later.
    """
    key_of = runtime.digests.key
    locked = await customers.lock(
        connection, runtime.digests, await customers_of(connection, runtime, [event for _, event in events])
    )
    known = await orders.read(connection, {event.order_id for _, event in events})
    # Read under the locks: an id that is found out now is found out before or after this batch.
    named = {event.customer.id for _, event in events}
    named.update(stored.order.customer.customer_id for stored in known.values() if stored.order.customer is not None)
    shared = await shared_ids.among(connection, runtime.digests, runtime.guests, named)
    events = await _without_erased(connection, runtime, events, known, locked, shared)
    changed_customers: dict[UUID, Customer] = {}
    changed_orders: dict[str, StoredOrder] = {}
    now = runtime.clock.now()
    for event_type, event in events:
        at = said_at(event, arrived_at=now)
        before = changed_orders.get(event.order_id) or known.get(event.order_id)
        order = with_event(None if before is None else before.order, event_type, event, at)
        changed_orders[order.order_id] = stored = _belonging(runtime, order, before, shared)
        # The customer the event names, who may differ from the order's, whom the latest one names.
        sender_id = event.customer.id
        if sender_id in shared:
            who = order.customer or event.customer
            sender_id = runtime.guests.ids_of(order.order_id, email=who.email, phone=who.phone)[0]
        if sender_id != runtime.guests.of_order(order.order_id):
            # A guest of whom only this order is known has no other: what it says of them is kept with it alone.
            sender = key_of(sender_id)
            if sender not in locked:
                locked |= await customers.lock(connection, runtime.digests, [sender])
            customer = changed_customers.get(sender) or locked[sender].customer or Customer(customer_id=sender_id)
            changed_customers[sender] = with_order(customer, event, at)
        if stored.customer_key not in locked:
            locked |= await customers.lock(connection, runtime.digests, [stored.customer_key])
    await customers.save(connection, changed_customers)
    await orders.save(connection, list(changed_orders.values()))
    await publish_completed(connection, runtime, customer_keys=changed_customers, order_ids=changed_orders)


def _belonging(
    runtime: Runtime[AlerterSettings], order: Order, before: StoredOrder | None, shared: Collection[str]
) -> StoredOrder:
    """The order with whose it is: the customer's it names, or, of an id that is many people's, whoever placed it."""
    key_of, who = runtime.digests.key, order.customer
    assert who is not None
    guests = [key_of(each) for each in runtime.guests.ids_of(order.order_id, email=who.email, phone=who.phone)]
    if who.customer_id not in shared:
        return StoredOrder(order, key_of(who.customer_id), guests)
    if len(guests) == 1 and before is not None and before.customer_key != key_of(who.customer_id):
        # Who placed an order of a release that did not keep that, its later events may not say again.
        guests = [*{before.customer_key: None, guests[0]: None}]
    return StoredOrder(order, guests[0], guests)


async def customers_of(
    connection: AsyncConnection, runtime: Runtime[AlerterSettings], events: Sequence[OrderEvent]
) -> set[UUID]:
    """The keys of those whose orders the events are, and may have been until now; nothing is locked."""
    key_of = runtime.digests.key
    shared = await shared_ids.among(
        connection, runtime.digests, runtime.guests, {event.customer.id for event in events}
    )
    keys = {
        key_of(
            runtime.guests.person(event.customer, event.order_id) if event.customer.id in shared else event.customer.id
        )
        for event in events
    }
    known = await orders.read(connection, {event.order_id for event in events})
    for stored in known.values():
        keys.add(stored.customer_key)
        keys.update(stored.guest_keys[:1] if shared else ())
    return keys


async def _without_erased(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    events: Sequence[tuple[str, OrderEvent]],
    known: dict[str, StoredOrder],
    locked: dict[UUID, LockedCustomer],
    shared: Collection[str],
) -> list[tuple[str, OrderEvent]]:
    """The events of orders that were not erased.

    An event from before its customer's erasure tells that the order was theirs then: if later ones, or its survey, came
    first, what they told is deleted again, the customer's details with it, because nothing says which order told which.
    """
    key_of, now = runtime.digests.key, runtime.clock.now()
    whose = [(event, _whose(runtime, event, known.get(event.order_id), shared)) for _, event in events]
    erased_at = await erasures.of_customers(connection, runtime.digests, {key for _, keys in whose for key in keys})
    # Processes of an earlier release wrote the time into the customer's row.
    erased_at |= {key: one.erased_at for key, one in locked.items() if one.erased_at is not None}
    found: dict[str, datetime] = {}
    begun_by: dict[UUID, datetime] = {}
    for event, keys in whose:
        at = latest(*map(erased_at.get, keys))
        if at is not None and is_erased(said_at(event, arrived_at=now), erased_at=at):
            found[event.order_id] = begun_by[keys[0]] = at
    if found:
        await erasures.remember_orders(connection, runtime.digests, found)
        everybody = [*begun_by, *(key_of(each.customer.id) for _, each in events)]
        asked = await surveys.delete_about(connection, found, of=everybody)
        # A survey that was decided while the erasure was on its way told the address, too.
        if await orders.delete(connection, found) or asked:
            await customers.erase(connection, begun_by)
        # A guest who was erased by this order alone is now known by an address.
        unheard = {key: at for key, at in begun_by.items() if not is_erased(at, erased_at=erased_at.get(key))}
        await erase_by_key(connection, runtime, unheard)
        locked.update(await customers.lock(connection, runtime.digests, begun_by))
        await cases_of_erased.about_orders(connection, runtime, found)
    erased = await erasures.of_orders(connection, runtime.digests, {event.order_id for event, _ in whose})
    for order_id in erased:
        known.pop(order_id, None)
    return [(kind, event) for kind, event in events if event.order_id not in erased]


def _whose(
    runtime: Runtime[AlerterSettings], event: OrderEvent, known: StoredOrder | None, shared: Collection[str]
) -> list[UUID]:
    """The keys of all ids that stand for the customer of an event, the first being that of whoever it is."""
    key_of, who = runtime.digests.key, event.customer
    if who.id not in shared:
        return [key_of(who.id)]
    guests = [key_of(each) for each in runtime.guests.ids_of(event.order_id, email=who.email, phone=who.phone)]
    stored = [] if known is None else [key for key in known.guest_keys if key not in guests]
    # An event without an address is of whoever another event of the order has told.
    return [*stored, *guests] if len(guests) == 1 else [*guests, *stored]
