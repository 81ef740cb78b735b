"""The input of the contact policy, assembled from all tables about a customer."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.domain.customers import Customer
from services.dispatcher.domain.policy.situation import Situation
from services.dispatcher.domain.suppressions import by_channel, digests_of
from services.dispatcher.domain.timers import Timer
from services.dispatcher.repository import customers, orders, sends, suppressions, timers
from shared.contracts.preferences import ChannelState
from shared.digests import CustomerDigests


async def suppressed_at(
    connection: AsyncConnection, customer: Customer, digests: CustomerDigests
) -> Mapping[str, ChannelState]:
    """What the suppression list says about a customer and the address they have, by channel."""
    about = digests_of(customer.customer_id, customer.detail("email"), digests)
    return by_channel(await suppressions.read(connection, about), about)


async def read(
    connection: AsyncConnection,
    customer_ids: Sequence[str],
    at: datetime,
    *,
    digests: CustomerDigests,
    look_ahead: timedelta,
    look_back: timedelta,
) -> Mapping[str, Situation]:
    """The situation of each customer ``at`` that time, by customer id.

    ``look_ahead`` is how far upcoming timers matter, ``look_back`` how far past surveys do. To decide by it, call it
    after locking the customers: these are separate statements, so they see everything committed before the lock.
    """
    ahead = await timers.of_customers(connection, customer_ids, at + look_ahead)
    of_customer: dict[str, list[Timer]] = {customer_id: [] for customer_id in customer_ids}
    for timer in ahead:
        of_customer[timer.customer_id].append(timer)
    read = await customers.read(connection, customer_ids)
    known_customers = {name: read.get(name, Customer(customer_id=name)) for name in customer_ids}
    about = {name: digests_of(name, one.detail("email"), digests) for name, one in known_customers.items()}
    listed = await suppressions.read(connection, {digest for each in about.values() for digest in each})
    known_orders = await orders.read(connection, {timer.order_id for timer in ahead if timer.order_id is not None})
    history = await sends.history(connection, customer_ids, at - look_back)
    recurring = sorted({timer.customer_id for timer in ahead if timer.cause == "recurrence" and timer.check_at <= at})
    last_ordered = await orders.last_ordered(connection, recurring) if recurring else {}
    return {
        customer_id: Situation(
            customer=known_customers[customer_id],
            due=[timer for timer in its_timers if timer.check_at <= at],
            upcoming=[timer for timer in its_timers if timer.check_at > at],
            orders=known_orders,
            history=history.get(customer_id, ()),
            last_ordered_at=last_ordered.get(customer_id),
            suppressed=by_channel(listed, about[customer_id]),
        )
        for customer_id, its_timers in of_customer.items()
    }
