"""Ingests a batch of order events: one read under the locks, folded in memory, one write."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import customers as customer_rules
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import Decision
from services.dispatcher.domain.event_contents import used_again
from services.dispatcher.domain.order_events import IncomingEvent, OrderBatch, distinct, incoming
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.segments import Segmentation
from services.dispatcher.domain.shared_ids import told_apart
from services.dispatcher.repository import campaigns, customers, decisions, erased_digests, erasures, orders, timers
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import shared_ids
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent
from shared.contracts.shared_ids import SharedId
from shared.erasures import is_erased
from shared.messaging.handler import Rejected
from shared.moments import earliest, latest
from shared.order_facts import said_at
from shared.persistence.statement import together
from shared.runtime import Runtime

_EVENTS_BETWEEN_YIELDS = 50
_DECISIONS_AT_ONCE = 1_000


async def ingest(
    connection: AsyncConnection,
    runtime: Runtime[DispatcherSettings],
    received: Sequence[tuple[Message, OrderEvent]],
    segmentation: Segmentation,
) -> None:
    """Writes facts, timers and one decision per event. A duplicate event is a no-op.

    Raises Rejected for events whose id is that of an earlier event that said something else.
    """
    now = runtime.clock.now()
    arrived = incoming(received, runtime.guests)
    events = await _told_apart(connection, runtime, distinct(arrived))
    batch, known = await _locked(connection, runtime, events, segmentation, now)
    told = ((message, event.decision_id, event.digest) for (message, _), event in zip(received, arrived, strict=True))
    if again := used_again(told, known):
        raise Rejected(again)
    fresh = [event for event in events if event.decision_id not in known]
    if not fresh:
        return
    last = await _decide(connection, batch, fresh)
    changes = batch.changes()
    await together(
        decisions.put(connection, last),
        orders.write(connection, changes.orders),
        customers.write(connection, changes.customers),
        timers.remove(connection, changes.removed),
        timers.put(connection, changes.timers),
        decisions.put(connection, batch.further_decisions),
    )
    if found_out := sorted({event.shared_id for event in events if event.shared_id is not None}):
        # Some of its people may have been erased before anybody knew which orders were theirs.
        await erasures.put_for_guests_under(connection, found_out)
        await runtime.outbox.put(
            connection, [shared_ids.event(SharedId(customer_id=each, found_at=now)) for each in found_out]
        )


async def _decide(connection: AsyncConnection, batch: OrderBatch, events: Sequence[IncomingEvent]) -> list[Decision]:
    """Folds the events and logs the decisions, but for the last, which it returns; PostgreSQL writes some of them while
    the next are made."""
    taken: list[Decision] = []
    writing: asyncio.Task[None] | None = None
    try:
        for number, event in enumerate(events, 1):
            taken.append(batch.fold(event))
            if number % _EVENTS_BETWEEN_YIELDS == 0:
                # Heartbeats and requests have to go on, and so does the writing.
                await asyncio.sleep(0)
            if len(taken) == _DECISIONS_AT_ONCE:
                if writing is not None:
                    await writing
                writing = asyncio.create_task(decisions.put(connection, taken))
                taken = []
    finally:
        if writing is not None:
            # Whatever comes next needs the connection.
            await asyncio.gather(writing, return_exceptions=True)
    if writing is not None:
        await writing
    return taken


async def named(
    connection: AsyncConnection,
    runtime: Runtime[DispatcherSettings],
    received: Sequence[tuple[Message, OrderEvent]],
) -> list[IncomingEvent]:
    """The events without duplicates, those under an id that several people share as of the person who ordered.

    The ids are looked up before anything is locked, because it depends on the answer who has to be; that an id is
    shared never changes back.
    """
    return await _told_apart(connection, runtime, distinct(incoming(received, runtime.guests)))


async def _told_apart(
    connection: AsyncConnection, runtime: Runtime[DispatcherSettings], events: Sequence[IncomingEvent]
) -> list[IncomingEvent]:
    known = await customers.mailboxes(connection, {event.customer_id for event in events})
    return told_apart(events, known, runtime.guests, most=runtime.settings.addresses_per_customer)


def customers_of(events: Sequence[IncomingEvent], known_orders: Mapping[str, Order]) -> set[str]:
    """Everybody the events concern: whom they name, and whose their orders are."""
    customer_ids = {event.customer_id for event in events}
    customer_ids.update(event.shared_id for event in events if event.shared_id is not None)
    customer_ids.update(order.customer_id for order in known_orders.values() if order.customer_id)
    return customer_ids


async def _locked(
    connection: AsyncConnection,
    runtime: Runtime[DispatcherSettings],
    events: Sequence[IncomingEvent],
    segmentation: Segmentation,
    now: datetime,
) -> tuple[OrderBatch, dict[str, str | None]]:
    """Locks the orders, then their current and their newly named customers, and reads the rest. Also returns which of
    the events were decided before (``decisions.known``)."""
    index = await campaigns.index(connection)
    known_orders = await orders.lock(connection, {event.order_id: event.customer_id for event in events})
    customer_ids = customers_of(events, known_orders)
    known_customers = await customers.lock(connection, customer_ids)
    await _recall_erasures(connection, runtime, events, known_orders, known_customers)
    # Only while holding the locks can we be sure that no other replica is ingesting the same event.
    known, pending, asked, recurrences = await together(
        decisions.known(connection, [event.decision_id for event in events]),
        timers.set_by_orders(connection, order_ids=known_orders, customer_ids=customer_ids),
        decisions.asked_about(connection, known_orders),
        timers.recurrences(connection, customer_ids),
    )
    batch = OrderBatch(
        orders=known_orders,
        customers=known_customers,
        about_order={(timer.campaign, timer.order_id): timer for timer in pending if timer.order_id is not None},
        recurring={(timer.campaign, timer.customer_id): timer for timer in pending if timer.order_id is None},
        asked=asked,
        recurrences=recurrences,
        campaigns=index,
        segmentation=segmentation,
        now=now,
    )
    return batch, known


async def _recall_erasures(
    connection: AsyncConnection,
    runtime: Runtime[DispatcherSettings],
    events: Sequence[IncomingEvent],
    known_orders: dict[str, Order],
    known_customers: dict[str, Customer],
) -> None:
    """Adds to locked customers, and to their orders, that they were erased so long ago that all else about them is
    deleted."""
    await _recall_erasures_of_guests(connection, runtime, events, known_orders, known_customers)
    unheard = [name for name, one in known_customers.items() if one.first_event_at is None and one.erased_at is None]
    if not unheard:
        return
    erased = await erased_digests.of_customers(connection, runtime.digests, unheard)
    if not erased:
        return
    recalled = {name: replace(known_customers[name], erased_at=at) for name, at in erased.items()}
    known_customers.update(recalled)
    await customers.write(connection, list(recalled.values()))
    theirs = {event.order_id for event in events if event.customer_id in erased}
    new = [order_id for order_id in theirs if known_orders[order_id].first_event_at is None]
    for order_id, at in (await erased_digests.of_orders(connection, runtime.digests, new)).items():
        # It had begun by then, which is all that matters. The event will write it.
        known_orders[order_id] = replace(known_orders[order_id], first_event_at=at)


async def _recall_erasures_of_guests(
    connection: AsyncConnection,
    runtime: Runtime[DispatcherSettings],
    events: Sequence[IncomingEvent],
    known_orders: Mapping[str, Order],
    known_customers: dict[str, Customer],
) -> None:
    """Erases whoever was erased by another id that stands for them, such as that of their order, before anybody knew
    that it does."""
    told = [event for event in events if event.guest_of_order is not None]
    ids = {each for event in told for each in event.guest_ids}
    if not ids:
        return
    erased = {name: one.erased_at for name, one in (await customers.read(connection, ids)).items()}
    erased |= await erased_digests.of_customers(connection, runtime.digests, ids)
    found: dict[str, datetime] = {}
    for event in told:
        at = latest(*(erased.get(each) for each in event.guest_ids))
        began_at = earliest(
            known_orders[event.order_id].first_event_at,
            said_at(event.body, arrived_at=runtime.clock.now()),
        )
        person = known_customers[event.customer_id]
        if is_erased(began_at, erased_at=at) and not is_erased(at, erased_at=person.erased_at):
            assert at is not None
            found[person.customer_id] = at
    if found:
        # Nothing says which of their orders told what is known of them.
        gone = {
            name: customer_rules.erase(known_customers[name], at, older_orders_went_on=True)
            for name, at in found.items()
        }
        known_customers.update(gone)
        await customers.write(connection, list(gone.values()))
        await erasures.put(connection, sorted(gone), "")
