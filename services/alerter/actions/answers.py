"""Updates cases from answers."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.cases import store
from services.alerter.domain import revisions
from services.alerter.queries import routing, shared_ids
from services.alerter.repository import cases, customers, erasures
from services.alerter.settings import AlerterSettings
from shared.contracts import identity
from shared.contracts.answers import Answer, AnswerErased
from shared.erasures import is_erased
from shared.moments import latest
from shared.runtime import Runtime


async def receive(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    revisions_received: Iterable[Answer | AnswerErased],
) -> None:
    """Opens, updates, moves, reopens or erases the case of each answer, by its latest revision.

    An answer given before its customer was erased is treated as erased, too.
    """
    newest: dict[str, Answer | AnswerErased] = {}
    received: dict[str, list[Answer]] = {}
    for body in revisions_received:
        case_id = identity.case_id(body.answer_id)
        newest[case_id] = revisions.newest(newest[case_id], body) if case_id in newest else body
        if isinstance(body, Answer):
            received.setdefault(case_id, []).append(body)
    keys = {
        case_id: runtime.digests.key(body.customer_id)
        for case_id, body in newest.items()
        if isinstance(body, Answer) and body.customer_id is not None
    }
    # Locked, so that an erasure on another replica comes entirely before or after.
    locked = await customers.lock(connection, runtime.digests, set(keys.values()))
    gone = await _of_erased_guests(connection, runtime, newest)
    rules = (await routing.current(connection)).routing
    now = runtime.clock.now()
    remaining = sorted(newest)
    while remaining:
        known = await cases.lock(connection, remaining)
        steps = {}
        for case_id in remaining:
            body, case = newest[case_id], known.get(case_id)
            erased_at = latest(locked[keys[case_id]].erased_at if case_id in keys else None, gone.get(case_id))
            if isinstance(body, AnswerErased) or is_erased(body.received_at, erased_at=erased_at):
                steps[case_id] = revisions.erase(case, case_id, body.revision, now)
            else:
                overtaken = [one for one in received[case_id] if one.revision < body.revision]
                steps[case_id] = revisions.apply_all(case, [body, *overtaken], rules, now)
        stored = await store(connection, runtime, steps, locked=known, customers=locked)
        remaining = [case_id for case_id in remaining if steps[case_id] and case_id not in stored]


async def _of_erased_guests(
    connection: AsyncConnection, runtime: Runtime[AlerterSettings], newest: Mapping[str, Answer | AnswerErased]
) -> dict[str, datetime]:
    """By case, when whoever placed the order was erased, of answers under a customer id that is many people's."""
    about = {
        case_id: (body.customer_id, body.order_id)
        for case_id, body in newest.items()
        if isinstance(body, Answer) and body.customer_id is not None and body.order_id is not None
    }
    erased = await erasures.of_orders(connection, runtime.digests, {order_id for _, order_id in about.values()})
    if not erased:
        return {}
    named = {customer_id for customer_id, _ in about.values()}
    shared = await shared_ids.among(connection, runtime.digests, runtime.guests, named)
    return {
        case_id: erased[order_id]
        for case_id, (customer_id, order_id) in about.items()
        if order_id in erased and customer_id in shared
    }
