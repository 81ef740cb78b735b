"""Erases customers: their contact details, orders and surveys, and the contents of their cases."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.cases import store
from services.alerter.domain import revisions
from services.alerter.repository import cases, customers, orders, surveys
from services.alerter.repository import erasures as repository
from services.alerter.settings import AlerterSettings
from shared.contracts.preferences import Preference
from shared.erasures import is_erased
from shared.runtime import Runtime


async def erase(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    erasures: Sequence[Preference],
) -> None:
    """Erases each customer as of the time of their preference.

    What began later is kept: orders, surveys, answers; of their contact details nothing is, because an order from
    before may have told them. Idempotent: anything known on a repetition is from after the erasure.
    """
    times: dict[UUID, datetime] = {}
    for erasure in erasures:
        key = runtime.digests.key(erasure.customer_id)
        times[key] = max(erasure.occurred_at, times.get(key, erasure.occurred_at))
    if not times:
        return
    locked = await customers.lock(connection, runtime.digests, times)
    times = {key: at for key, at in times.items() if locked[key].may_keep(at)}
    if not times:
        return
    await repository.remember_customers(connection, runtime.digests, times)
    erased_orders = await orders.erase(connection, times)
    await repository.remember_orders(connection, runtime.digests, erased_orders)
    await surveys.erase(connection, times)
    await customers.erase(connection, times)
    customer_of = await cases.ids_of_customers(connection, times)
    known = await cases.lock(connection, sorted(customer_of))
    now = runtime.clock.now()
    steps = {
        case_id: revisions.erase(case, case_id, case.revision, now)
        for case_id, case in known.items()
        if case.answer is not None and is_erased(case.answer.received_at, erased_at=times[customer_of[case_id]])
    }
    await store(connection, runtime, steps, locked=known)
