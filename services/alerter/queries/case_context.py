"""The context of cases: the customers and orders of their answers."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain.case import Case, CaseContext
from services.alerter.repository import customers, orders
from shared.digests import CustomerDigests
from shared.guests import Guests


async def read(
    connection: AsyncConnection, digests: CustomerDigests, guests: Guests, of: Collection[Case]
) -> dict[str, CaseContext]:
    """The context of each case, by case id.

    An answer under a customer id that many people share, such as ``0``, is from whoever placed its order; without an
    order nothing is known about them.
    """
    named = {
        case.case_id: case.answer.customer_id
        for case in of
        if case.answer is not None and case.answer.customer_id is not None
    }
    keys = {case_id: digests.key(name) for case_id, name in named.items() if not guests.shares(name)}
    order_ids = {
        case.case_id: case.answer.order_id
        for case in of
        if case.answer is not None and case.answer.order_id is not None
    }
    if shared := named.keys() - keys.keys():
        owners = await orders.owners(connection, {order_ids[case_id] for case_id in shared if case_id in order_ids})
        keys |= {case_id: owners[order_ids[case_id]] for case_id in shared if order_ids.get(case_id) in owners}
    known_customers = await customers.read(connection, set(keys.values())) if keys else {}
    known_orders = await orders.read(connection, set(order_ids.values())) if order_ids else {}
    return {
        case.case_id: CaseContext(
            customer_key=keys.get(case.case_id),
            customer=known_customers.get(keys[case.case_id]) if case.case_id in keys else None,
            order=known_orders.get(order_ids[case.case_id]) if case.case_id in order_ids else None,
        )
        for case in of
    }
