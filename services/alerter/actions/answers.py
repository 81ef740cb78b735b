"""Updates cases from answers."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.actions.cases import store
from services.alerter.domain import revisions
from services.alerter.queries import routing
from services.alerter.repository import cases, customers
from services.alerter.settings import AlerterSettings
from shared.contracts import identity
from shared.contracts.answers import Answer, AnswerErased
from shared.erasures import is_erased
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
    rules = (await routing.current(connection)).routing
    now = runtime.clock.now()
    remaining = sorted(newest)
    while remaining:
        known = await cases.lock(connection, remaining)
        steps = {}
        for case_id in remaining:
            body, case = newest[case_id], known.get(case_id)
            erased_at = locked[keys[case_id]].erased_at if case_id in keys else None
            if isinstance(body, AnswerErased) or is_erased(body.received_at, erased_at=erased_at):
                steps[case_id] = revisions.erase(case, case_id, body.revision, now)
            else:
                overtaken = [one for one in received[case_id] if one.revision < body.revision]
                steps[case_id] = revisions.apply_all(case, [body, *overtaken], rules, now)
        stored = await store(connection, runtime, steps, locked=known)
        remaining = [case_id for case_id in remaining if steps[case_id] and case_id not in stored]
