"""Tells people apart whose customer id turned out to be many people's: orders, surveys, cases, details."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import cases_of_erased
from services.alerter.actions import erasures as erasing
from services.alerter.actions.cases import store
from services.alerter.domain import revisions
from services.alerter.repository import cases, customers, erasures, orders, surveys
from services.alerter.repository import shared_ids as repository
from services.alerter.settings import AlerterSettings
from shared.runtime import Runtime


async def tell_apart(
    connection: AsyncConnection, runtime: Runtime[AlerterSettings], customer_ids: Collection[str]
) -> None:
    """From now on the ids are many people's: each order is that of whoever placed it, and each case of whoever placed
    its order. Whose the id's own details are is unknown, so they are forgotten.

    The cases are published again, with what is known of the right person. Idempotent.
    """
    keys = {runtime.digests.key(customer_id) for customer_id in customer_ids}
    before = await orders.guests_under(connection, keys)
    await customers.lock(connection, runtime.digests, keys | before.keys())
    keys -= await repository.among(connection, runtime.digests, keys)
    if not keys:
        return
    await repository.remember(connection, runtime.digests, keys)
    # Once more: an order may have come before the lock was taken.
    people = await orders.guests_under(connection, keys)
    await customers.lock(connection, runtime.digests, people.keys() - before.keys())
    await orders.tell_apart(connection, keys)
    await surveys.tell_apart(connection, keys)
    await customers.forget_details(connection, keys)
    # Who was erased as a guest before it was known that this id was theirs, too.
    erased = await erasures.of_customers(connection, runtime.digests, set().union(*people.values()))
    await erasing.erase_by_key(connection, runtime, await erasing.of_guests(connection, erased, set(erased)))
    known = await cases.lock(connection, sorted(await cases.ids_of_customers(connection, keys)))
    about = {case.answer.order_id for case in known.values() if case.answer is not None and case.answer.order_id}
    await cases_of_erased.about_orders(
        connection, runtime, await erasures.of_orders(connection, runtime.digests, about)
    )
    known = await cases.lock(connection, sorted(known))
    now = runtime.clock.now()
    steps = {case_id: revisions.completed(case, now) for case_id, case in known.items()}
    await store(connection, runtime, steps, locked=known)
