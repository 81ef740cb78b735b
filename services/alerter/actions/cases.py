"""Case changes: lock, take a step, write the case, its history and its event, all in one transaction.

Staff actions come first, one function each: each opens its own transaction, returns the updated case, and raises
NoSuchCase, Stale when somebody changed the case since ``sequence``, or Refused when its state does not allow it.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain import case_events, revisions, transitions
from services.alerter.domain.case import Case, Step, existing
from services.alerter.domain.case_list import CaseRow
from services.alerter.domain.transitions import CloseReason, ContactWay
from services.alerter.queries import case_context, routing
from services.alerter.repository import case_history, cases
from services.alerter.repository.customers import LockedCustomer
from services.alerter.settings import AlerterSettings
from shared.contracts.followups import TOPIC_PREFIX
from shared.messaging import forgetting
from shared.runtime import Runtime


async def assign(runtime: Runtime[AlerterSettings], case_id: str, *, sequence: int, actor: str, owner: str) -> CaseRow:
    """Assigns the case to ``owner``."""
    async with runtime.transaction() as connection:
        case = await _lock(connection, case_id, sequence)
        step = transitions.assign(case, owner=owner, actor=actor, now=runtime.clock.now())
        return await _store_one(connection, runtime, step)


async def contact(
    runtime: Runtime[AlerterSettings],
    case_id: str,
    *,
    sequence: int,
    actor: str,
    way: ContactWay,
    text: str,
) -> CaseRow:
    """Records that ``actor`` contacted the customer."""
    async with runtime.transaction() as connection:
        case = await _lock(connection, case_id, sequence)
        step = transitions.contact(case, way=way, text=text, actor=actor, now=runtime.clock.now())
        return await _store_one(connection, runtime, step)


async def note(runtime: Runtime[AlerterSettings], case_id: str, *, sequence: int, actor: str, text: str) -> CaseRow:
    """Adds a note to the case's history."""
    async with runtime.transaction() as connection:
        case = await _lock(connection, case_id, sequence)
        step = transitions.note(case, text=text, actor=actor, now=runtime.clock.now())
        return await _store_one(connection, runtime, step)


async def close(
    runtime: Runtime[AlerterSettings],
    case_id: str,
    *,
    sequence: int,
    actor: str,
    reason: CloseReason,
    root_cause: str | None,
    text: str,
) -> CaseRow:
    """Closes the case. Also raises UnknownRootCause."""
    async with runtime.transaction() as connection:
        case = await _lock(connection, case_id, sequence)
        (await routing.current(connection)).routing.check_root_cause(root_cause)
        step = transitions.close(
            case, reason=reason, root_cause=root_cause, text=text, actor=actor, now=runtime.clock.now()
        )
        return await _store_one(connection, runtime, step)


async def reopen(runtime: Runtime[AlerterSettings], case_id: str, *, sequence: int, actor: str, text: str) -> CaseRow:
    """Reopens the case, with a new deadline if its rule has one."""
    async with runtime.transaction() as connection:
        case = await _lock(connection, case_id, sequence)
        rule = (await routing.current(connection)).routing.rule_of(case)
        now = runtime.clock.now()
        due_at = None if rule is None else rule.due_at(now)
        step = transitions.reopen(case, due_at=due_at, text=text, actor=actor, now=now)
        return await _store_one(connection, runtime, step)


async def publish_completed(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    *,
    customer_keys: Collection[UUID],
    order_ids: Collection[str],
) -> None:
    """Republishes waiting cases that were published before these customers or orders were known."""
    known = await cases.lock(
        connection, await cases.awaiting(connection, customer_keys=customer_keys, order_ids=order_ids)
    )
    now = runtime.clock.now()
    steps = {case_id: revisions.completed(case, now) for case_id, case in known.items()}
    await store(connection, runtime, steps, locked=known)


async def store(
    connection: AsyncConnection,
    runtime: Runtime[AlerterSettings],
    steps: Mapping[str, Sequence[Step]],
    *,
    locked: Collection[str],
    customers: Mapping[UUID, LockedCustomer] = MappingProxyType({}),
) -> dict[str, CaseRow]:
    """Writes each case after its steps, its history and its events; returns the cases written, by case id.

    ``locked`` are the ids of those this transaction has locked; the others are new. ``customers`` are customers it has
    locked, by key; the others are read. If another replica is adding the
    same case, this waits for it and does not return that case: lock it, then decide again, so that an answer has one
    case, however many replicas receive it.
    """
    last = {case_id: taken[-1].case for case_id, taken in steps.items() if taken}
    if not last:
        return {}
    contexts = await case_context.read(connection, runtime.digests, runtime.guests, last.values(), locked=customers)
    rows = {case_id: CaseRow(case, contexts[case_id]) for case_id, case in last.items()}
    added = await cases.insert(connection, [row for case_id, row in rows.items() if case_id not in locked])
    await cases.update(connection, [row for case_id, row in rows.items() if case_id in locked])
    stored = {case_id: row for case_id, row in rows.items() if case_id in locked or case_id in added}
    await case_history.erase(connection, [case_id for case_id, row in stored.items() if row.case.erased])
    await case_history.add(
        connection, [(case_id, step.entry) for case_id in stored for step in steps[case_id] if step.entry is not None]
    )
    await runtime.outbox.put(
        connection,
        [event for case_id, row in stored.items() for event in case_events.events(steps[case_id], row.context)],
    )
    await forgetting.replaced(connection, TOPIC_PREFIX, [case_id for case_id, row in stored.items() if row.case.erased])
    return stored


async def _lock(connection: AsyncConnection, case_id: str, sequence: int) -> Case:
    """The case, locked. Raises NoSuchCase, and Stale unless it is still at ``sequence``."""
    case = existing((await cases.lock(connection, [case_id])).get(case_id))
    transitions.expect(case, sequence)
    return case


async def _store_one(connection: AsyncConnection, runtime: Runtime[AlerterSettings], step: Step) -> CaseRow:
    case_id = step.case.case_id
    return (await store(connection, runtime, {case_id: [step]}, locked=[case_id]))[case_id]
