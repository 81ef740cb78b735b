"""Erases cases whose customer was erased under an id by which the case's answer does not name them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.cases import store
from services.alerter.domain import revisions
from services.alerter.queries import shared_ids
from services.alerter.repository import cases
from services.alerter.settings import AlerterSettings
from shared.erasures import is_erased
from shared.runtime import Runtime


async def about_orders(
    connection: AsyncConnection, runtime: Runtime[AlerterSettings], erased: Mapping[str, datetime]
) -> None:
    """Erases the cases about these orders whose answers name a customer id that is many people's, so that they are
    from whoever placed the order, and were given before that person's erasure.

    What names somebody's own id, or nobody, is for the collector to erase.
    """
    known = await cases.lock(connection, sorted(await cases.ids_about(connection, erased)))
    given = {
        case_id: case.answer
        for case_id, case in known.items()
        if case.answer is not None
        and case.answer.customer_id is not None
        and case.answer.order_id is not None
        and is_erased(case.answer.received_at, erased_at=erased[case.answer.order_id])
    }
    named = {answer.customer_id for answer in given.values() if answer.customer_id is not None}
    shared = await shared_ids.among(connection, runtime.digests, runtime.guests, named)
    now = runtime.clock.now()
    steps = {
        case_id: revisions.erase(known[case_id], case_id, known[case_id].revision, now)
        for case_id, answer in given.items()
        if answer.customer_id in shared
    }
    await store(connection, runtime, steps, locked=known)
