"""Erases customers: their contact details, orders and surveys, and the contents of their cases."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions import cases_of_erased
from services.alerter.actions.cases import store
from services.alerter.domain import revisions
from services.alerter.repository import cases, customers, orders, surveys
from services.alerter.repository import erasures as repository
from services.alerter.settings import AlerterSettings
from shared.contracts.preferences import Preference
from shared.erasures import is_erased
from shared.guests import PREFIX
from shared.messaging import forgetting
from shared.moments import latest
from shared.runtime import Runtime


async def erase(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    erasures: Sequence[Preference],
) -> None:
    """Erases each customer as of the time of their preference.

    A guest may be erased by any id that stands for them (``Guests.ids_of``), such as that of one of their orders.
    """
    times: dict[UUID, datetime] = {}
    for erasure in erasures:
        key = runtime.digests.key(erasure.customer_id)
        times[key] = max(erasure.occurred_at, times.get(key, erasure.occurred_at))
    told = {each.customer_id: each.occurred_at for each in sorted(erasures, key=lambda each: each.occurred_at)}
    await forgetting.blank(connection, told)
    guests = {runtime.digests.key(one.customer_id) for one in erasures if one.customer_id.startswith(PREFIX)}
    times |= await of_guests(connection, times, guests)
    if times:
        locked = await customers.lock(connection, runtime.digests, times)
        # On a repetition, anything known is from after the erasure.
        await erase_by_key(connection, runtime, {key: at for key, at in times.items() if locked[key].may_keep(at)})


async def of_guests(
    connection: AsyncConnection, times: Mapping[UUID, datetime], guests: set[UUID]
) -> dict[UUID, datetime]:
    """When those who stand behind these ids of guests were erased, by the key that they are told apart by."""
    owners = await orders.owners_of_guests(connection, guests) if guests else {}
    found = {key: latest(times.get(key), *map(times.get, by)) for key, by in owners.items()}
    return {key: at for key, at in found.items() if at is not None}


async def erase_by_key(
    connection: AsyncConnection, runtime: Runtime[AlerterSettings], times: Mapping[UUID, datetime]
) -> None:
    """Erases each customer as of that time.

    What began later is kept: orders, surveys, answers; of their contact details nothing is, because an order from
    before may have told them.
    """
    if not times:
        return
    await customers.lock(connection, runtime.digests, times)
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
    await cases_of_erased.about_orders(connection, runtime, erased_orders)
