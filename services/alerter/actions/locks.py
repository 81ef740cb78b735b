"""Locks customers, then cases, each kind once and in one order, before a batch of several topics is handled.

The handlers lock what they write, too. In one transaction, each in its own order, two replicas could come to wait for
each other; of what is already locked, a second lock costs nothing and waits for nobody.
"""

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import orders as order_actions
from services.alerter.repository import cases, customers, orders, shared_ids
from services.alerter.settings import AlerterSettings
from shared.contracts import identity
from shared.contracts.orders import OrderEvent
from shared.guests import PREFIX
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom and what a batch is about: orders, customers of surveys, who answered, who is erased, ids that turned out to
    be many people's; answers."""

    orders: list[OrderEvent] = field(default_factory=list)
    customer_ids: set[str] = field(default_factory=set)
    answered_ids: set[str] = field(default_factory=set)
    erased_ids: set[str] = field(default_factory=set)
    shared_ids: set[str] = field(default_factory=set)
    answer_ids: set[str] = field(default_factory=set)

    @property
    def only_answers(self) -> bool:
        return not (self.orders or self.customer_ids or self.erased_ids or self.shared_ids)


async def take(connection: AsyncConnection, runtime: Runtime[AlerterSettings], concerned: Concerned) -> None:
    """Locks until the transaction ends."""
    key = runtime.digests.key
    guests = {key(customer_id) for customer_id in concerned.erased_ids if customer_id.startswith(PREFIX)}
    if guests:
        await shared_ids.wait_for_orders(connection)
    elif concerned.orders or concerned.answer_ids:
        await shared_ids.hold_off_erasures_of_guests(connection)
    if concerned.only_answers:
        return  # whose action takes these locks first of all, in this order
    told = {key(customer_id) for customer_id in concerned.customer_ids}
    if concerned.orders:
        told |= await order_actions.customers_of(connection, runtime, concerned.orders)
    erased = {key(customer_id) for customer_id in concerned.erased_ids}
    answered = {key(customer_id) for customer_id in concerned.answered_ids}
    found = {key(customer_id) for customer_id in concerned.shared_ids}
    owners = await orders.owners_of_guests(connection, guests) if guests else {}
    people = await orders.guests_under(connection, found) if found else {}
    await customers.lock(connection, runtime.digests, told | erased | answered | found | owners.keys() | people.keys())
    case_ids = {identity.case_id(answer_id) for answer_id in concerned.answer_ids}
    order_ids = {event.order_id for event in concerned.orders}
    if told or order_ids:
        case_ids.update(await cases.awaiting(connection, customer_keys=told, order_ids=order_ids))
    if erased or found:
        case_ids.update(await cases.ids_of_customers(connection, erased | found | owners.keys()))
    await cases.lock(connection, sorted(case_ids))
