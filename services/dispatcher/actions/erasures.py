"""What an erasure removes besides the customer's details: what was ordered, and their timers.

An id may have very many orders. The first of them are handled with the erasure itself, the rest in slices by
``loops/erasures.py``; nothing is sent meanwhile, because the customer's address is gone, and
their orders count as erased.

What is stored about one order or customer and cannot be read holds up no other erasure: such an order is emptied like
the others, and a customer is put aside, and tried again later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import of_cancellation
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.reasons import Reason
from services.dispatcher.repository import customers, decisions, erasures, orders, timers
from services.dispatcher.repository.erasures import PendingErasure
from services.dispatcher.repository.orders import UnreadableOrder
from services.dispatcher.settings import DispatcherSettings
from shared.backoff import pause_after
from shared.guests import PREFIX
from shared.persistence.engine import is_fault_of_data, what_failed
from shared.runtime import Runtime

log = structlog.get_logger()

ORDERS_AT_ONCE = 2_000
"""Maximum orders, and timers, per transaction."""
_FIRST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class FirstOrders:
    """Locked orders of customers to be erased; ``more``: there may be others."""

    orders: Sequence[Order | UnreadableOrder]
    more: bool

    def may_have_gone_on(self, customer_id: str, *, after: datetime) -> bool:
        """Whether an order of the customer that began by ``after`` has, or may have, had an event since."""
        return self.more or any(
            order.customer_id == customer_id
            and (isinstance(order, UnreadableOrder) or order_rules.went_on_after(order, after))
            for order in self.orders
        )


async def people_behind(connection: AsyncConnection, erased_at: Mapping[str, datetime]) -> dict[str, datetime]:
    """When those were erased for whom these ids of guests stand, such as the one by which an order alone is known."""
    guest_ids = {customer_id for customer_id in erased_at if customer_id.startswith(PREFIX)}
    people = await orders.people_of_guests(connection, guest_ids) if guest_ids else {}
    return {
        person: max(erased_at[name] for name in (*by, person) if name in erased_at) for person, by in people.items()
    }


async def first_orders(connection: AsyncConnection, customer_ids: Sequence[str]) -> dict[str, str]:
    """The ids of the orders that ``lock_first_orders`` would lock now, with the customer each was created for."""
    return await orders.ids_of_customers(connection, customer_ids, most=ORDERS_AT_ONCE) if customer_ids else {}


async def lock_first_orders(connection: AsyncConnection, customer_ids: Sequence[str]) -> FirstOrders:
    """Locks the first orders of these customers; to be called before the customers are locked."""
    if not customer_ids:
        return FirstOrders((), more=False)
    found = await orders.lock_of_customers(connection, customer_ids, most=ORDERS_AT_ONCE)
    return FirstOrders(found, more=len(found) == ORDERS_AT_ONCE)


async def begin(connection: AsyncConnection, erased: Mapping[str, Customer], first: FirstOrders, now: datetime) -> None:
    """Clears the first orders and timers of these erased and locked customers, and leaves the rest to the loop."""
    await _clear(connection, erased, first.orders)
    if await _cancel_timers(connection, erased, now) or first.more:
        await erasures.put(connection, sorted(erased), first.orders[-1].order_id if first.orders else "")


async def carry_on(runtime: Runtime[DispatcherSettings]) -> bool:
    """Clears the next orders and timers of one customer. True when there may be more to do."""
    async with runtime.autocommit() as connection:
        pending = await erasures.first(connection)
    if pending is None:
        return False
    try:
        await _clear_next(runtime, pending)
    except Exception as error:
        if not is_fault_of_data(error):
            raise
        await _put_aside(runtime, pending, error)
    return True


async def _clear_next(runtime: Runtime[DispatcherSettings], pending: PendingErasure) -> None:
    now = runtime.clock.now()
    async with runtime.transaction() as connection:
        found = await orders.lock_of_customers(
            connection, [pending.customer_id], most=ORDERS_AT_ONCE, after=pending.reached
        )
        erased = await customers.lock(connection, [pending.customer_id])
        await _clear(connection, erased, found)
        more_timers = await _cancel_timers(connection, erased, now)
        if more_timers or len(found) == ORDERS_AT_ONCE:
            await erasures.advance(connection, pending, found[-1].order_id if found else pending.reached)
        else:
            await erasures.remove(connection, pending)


async def _put_aside(runtime: Runtime[DispatcherSettings], pending: PendingErasure, error: Exception) -> None:
    tries = pending.tries + 1
    pause = pause_after(tries, first=_FIRST_PAUSE_SECONDS, longest=_LONGEST_PAUSE_SECONDS)
    async with runtime.transaction() as connection:
        await erasures.put_aside(connection, pending, seconds=pause)
    log.error(
        "an erasure cannot go on and is put aside; the table erasures says whose",
        error=what_failed(error),
        tries=tries,
        seconds=pause,
    )


async def _clear(
    connection: AsyncConnection, erased: Mapping[str, Customer], found: Sequence[Order | UnreadableOrder]
) -> None:
    # An order from before it was known that its customer id is many people's is told by the ids of guests alone.
    theirs = [
        order
        for order in found
        if any(
            of in erased and erased[of].was_erased_by(order.first_event_at)
            for of in ([order.customer_id] if order.customer_id in erased else order.guest_ids)
        )
    ]
    unreadable = sum(isinstance(order, UnreadableOrder) for order in theirs)
    if unreadable:
        log.error("orders of erased customers could not be read, and keep only whose they were", orders=unreadable)
    await orders.write(connection, [_emptied(order) for order in theirs])


def _emptied(order: Order | UnreadableOrder) -> Order:
    if isinstance(order, UnreadableOrder):
        return order_rules.without_facts(order.order_id, order.customer_id, order.first_event_at)
    return order_rules.erase(order)


async def _cancel_timers(connection: AsyncConnection, erased: Mapping[str, Customer], now: datetime) -> bool:
    """Cancels timers of erased customers, except those about orders placed after it. True when there may be more."""
    cancelled = await timers.of_erased(connection, sorted(erased), most=ORDERS_AT_ONCE)
    await timers.remove(connection, [timer.timer_id for timer in cancelled])
    await decisions.put(connection, [of_cancellation(timer, Reason.ERASED, now) for timer in cancelled])
    return len(cancelled) == ORDERS_AT_ONCE
