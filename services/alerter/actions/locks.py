"""Locks customers, then cases, each kind once and in one order, before a batch of several topics is handled.

The handlers lock what they write, too. In one transaction, each in its own order, two replicas could come to wait for
each other; of what is already locked, a second lock costs nothing and waits for nobody.
"""

from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.repository import cases, customers
from services.alerter.settings import AlerterSettings
from shared.contracts import identity
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom and what a batch is about: customers of orders and surveys, who answered, who is erased; orders, answers."""

    customer_ids: set[str] = field(default_factory=set)
    answered_ids: set[str] = field(default_factory=set)
    erased_ids: set[str] = field(default_factory=set)
    order_ids: set[str] = field(default_factory=set)
    answer_ids: set[str] = field(default_factory=set)


async def take(connection: AsyncConnection, runtime: Runtime[AlerterSettings], concerned: Concerned) -> None:
    """Locks until the transaction ends."""
    key = runtime.digests.key
    told = {key(customer_id) for customer_id in concerned.customer_ids}
    erased = {key(customer_id) for customer_id in concerned.erased_ids}
    answered = {key(customer_id) for customer_id in concerned.answered_ids}
    await customers.lock(connection, runtime.digests, told | erased | answered)
    case_ids = {identity.case_id(answer_id) for answer_id in concerned.answer_ids}
    if told or concerned.order_ids:
        case_ids.update(await cases.awaiting(connection, customer_keys=told, order_ids=concerned.order_ids))
    if erased:
        case_ids.update(await cases.ids_of_customers(connection, erased))
    await cases.lock(connection, sorted(case_ids))
