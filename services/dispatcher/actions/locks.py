"""Locks orders, then customers, each once and in one order, before a batch of several topics is handled.

The handlers lock what they write, too. In one transaction, each in its own order, two replicas could come to wait for
each other; what is already locked can be locked again without waiting.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.dispatcher.actions import erasures
from services.dispatcher.actions import orders as order_actions
from services.dispatcher.repository import customers, orders
from services.dispatcher.settings import DispatcherSettings
from shared.contracts import preferences
from shared.contracts.cloudevents import Message
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import Preference
from shared.contracts.requests import SurveyRequested
from shared.runtime import Runtime


async def take(connection: AsyncConnection, runtime: Runtime[DispatcherSettings], messages: Sequence[Message]) -> None:
    """Locks everything the handlers of ``messages`` will lock, until the transaction ends."""
    received = [(message, message.body) for message in messages if isinstance(message.body, OrderEvent)]
    events = await order_actions.named(connection, runtime, received)
    said = [(message, message.body) for message in messages if isinstance(message.body, Preference)]
    erased = {body.customer_id for message, body in said if message.type == preferences.ERASED}
    # Of a guest, the time does not matter here.
    people = await erasures.people_behind(connection, dict.fromkeys(erased, runtime.clock.now()))
    customer_of = await erasures.first_orders(connection, sorted(erased | people.keys()))
    customer_of |= {event.order_id: event.customer_id for event in events}
    locked = await orders.lock(connection, customer_of) if customer_of else {}
    customer_ids = order_actions.customers_of(events, locked)
    customer_ids.update(body.customer_id for _, body in said)
    customer_ids.update(people)
    customer_ids.update(message.body.customer_id for message in messages if isinstance(message.body, SurveyRequested))
    await customers.lock(connection, customer_ids)
