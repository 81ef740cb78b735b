"""Stores the surveys customers were sent, and the address of each."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.cases import publish_completed
from services.alerter.domain.customers import Customer, with_send
from services.alerter.domain.surveys import survey_of
from services.alerter.repository import customers, erasures, surveys
from services.alerter.settings import AlerterSettings
from shared.contracts.sends import SurveySent
from shared.runtime import Runtime


async def store(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    sends: Sequence[SurveySent],
) -> None:
    """Folds ``sends`` into surveys and customers; completes the cases waiting for them.

    A send from before its customer's erasure, or about an order from before it, is dropped.
    """
    keys = {send.customer_id: runtime.digests.key(send.customer_id) for send in sends}
    locked = await customers.lock(connection, runtime.digests, keys.values())
    ordered = {send.order_id for send in sends if send.order_id is not None}
    erased_orders = await erasures.of_orders(connection, runtime.digests, ordered)
    kept = [
        send
        for send in sends
        if locked[keys[send.customer_id]].may_keep(send.sent_at) and send.order_id not in erased_orders
    ]
    changed: dict[UUID, Customer] = {}
    for send in kept:
        key = keys[send.customer_id]
        customer = changed.get(key) or locked[key].customer or Customer(customer_id=send.customer_id)
        changed[key] = with_send(customer, send)
    await customers.save(connection, changed)
    await surveys.save(connection, [(keys[send.customer_id], survey_of(send)) for send in kept])
    await publish_completed(connection, runtime, customer_keys=changed, order_ids=())
