"""What an erasure removes besides the customer's details: what was ordered, and their timers.

An id may have very many orders. The first of them are handled with the erasure itself, the rest in slices by
``loops/erasures.py``; nothing is sent meanwhile, because the customer's address is gone, and
their orders count as erased.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain import orders as order_rules
from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.decisions import of_cancellation
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.reasons import Reason
from services.dispatcher.repository import customers, decisions, erasures, orders, timers
from services.dispatcher.settings import DispatcherSettings
from shared.runtime import Runtime

ORDERS_AT_ONCE = 2_000
"""Maximum orders, and timers, per transaction."""


@dataclass(frozen=True, slots=True)
class FirstOrders:
    """Locked orders of customers to be erased; ``more``: there may be others."""

    orders: Sequence[Order]
    more: bool

    def may_have_gone_on(self, customer_id: str, *, after: datetime) -> bool:
        """Whether an order of the customer that began by ``after`` has, or may have, had an event since."""
        return self.more or any(
            order.customer_id == customer_id and order_rules.went_on_after(order, after) for order in self.orders
        )


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
    now = runtime.clock.now()
    async with runtime.transaction() as connection:
        pending = await erasures.first(connection)
        if pending is None:
            return False
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
    return True


async def _clear(connection: AsyncConnection, erased: Mapping[str, Customer], found: Sequence[Order]) -> None:
    emptied = [
        order_rules.erase(order)
        for order in found
        if order.customer_id in erased and erased[order.customer_id].was_erased_by(order.first_event_at)
    ]
    await orders.write(connection, emptied)


async def _cancel_timers(connection: AsyncConnection, erased: Mapping[str, Customer], now: datetime) -> bool:
    """Cancels timers of erased customers, except those about orders placed after it. True when there may be more."""
    cancelled = await timers.of_erased(connection, sorted(erased), most=ORDERS_AT_ONCE)
    await timers.remove(connection, [timer.timer_id for timer in cancelled])
    await decisions.put(connection, [of_cancellation(timer, Reason.ERASED, now) for timer in cancelled])
    return len(cancelled) == ORDERS_AT_ONCE
