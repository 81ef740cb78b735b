"""The context of cases: the customers and orders of their answers."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain import customers as customer_rules
from services.alerter.domain.case import Case, CaseContext
from services.alerter.queries import shared_ids
from services.alerter.repository import customers, orders
from services.alerter.repository import shared_ids as found_ids
from services.alerter.repository.customers import LockedCustomer
from services.alerter.repository.orders import StoredOrder
from shared.contracts.answers import Answer
from shared.digests import CustomerDigests
from shared.guests import Guests


async def read(
    connection: AsyncConnection,
    digests: CustomerDigests,
    guests: Guests,
    of: Collection[Case],
    *,
    locked: Mapping[UUID, LockedCustomer] = MappingProxyType({}),
) -> dict[str, CaseContext]:
    """The context of each case, by case id.

    An answer under a customer id that is many people's, such as ``0``, is from whoever placed its order; without an
    order nothing is known about them. Any other is from the customer it names, whose details are those that its order
    says, if it is theirs. Customers that the transaction has ``locked`` are not read again.
    """
    answers = {case.case_id: case.answer for case in of if case.answer is not None}
    order_ids = {answer.order_id for answer in answers.values() if answer.order_id is not None}
    known_orders = await orders.read(connection, order_ids) if order_ids else {}
    named = {answer.customer_id for answer in answers.values() if answer.customer_id is not None}
    shared = await shared_ids.among(connection, digests, guests, named, locked=locked)
    # Nobody knows who placed an order that is still an id's that was found to be many people's.
    nobodys = await found_ids.among(connection, digests, {stored.customer_key for stored in known_orders.values()})

    def order_of(answer: Answer) -> StoredOrder | None:
        return None if answer.order_id is None else known_orders.get(answer.order_id)

    def key_of(answer: Answer) -> UUID | None:
        if answer.customer_id is None:
            return None
        if answer.customer_id not in shared:
            return digests.key(answer.customer_id)
        stored = order_of(answer)
        return None if stored is None or stored.customer_key in nobodys else stored.customer_key

    keys = {case_id: key for case_id, answer in answers.items() if (key := key_of(answer)) is not None}
    known_customers = {key: each.customer for key, each in locked.items() if each.customer is not None}
    if others := set(keys.values()) - locked.keys():
        known_customers |= await customers.read(connection, others)
    contexts = dict.fromkeys((case.case_id for case in of), CaseContext())
    for case_id, answer in answers.items():
        stored, key = order_of(answer), keys.get(case_id)
        customer = None if key is None else known_customers.get(key)
        if stored is not None and key is not None and (key == stored.customer_key or key in stored.guest_keys):
            customer = customer_rules.of_case(stored.order.customer, customer)
        contexts[case_id] = CaseContext(
            customer_key=key, customer=customer, order=None if stored is None else stored.order
        )
    return contexts
