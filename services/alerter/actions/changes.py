"""The one way a case changes: lock, decide, keep, and tell its queue, all in the caller's transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerter.domain import publication
from services.alerter.domain.case import Case, Step
from services.alerter.domain.history import customer_key
from services.alerter.domain.publication import NOTHING_KNOWN, Surroundings
from services.alerter.repository import cases, customers
from services.alerter.repository.cases import Kept
from shared.messaging.outbox import Outbox

Decide = Callable[[str, Case | None], Sequence[Step]]
"""Case id and the case as it stands, None when there is none, to the steps to take; none changes nothing."""


async def change(
    connection: AsyncConnection, outbox: Outbox, case_ids: Iterable[str], decide: Decide
) -> dict[str, Case]:
    """Takes the steps ``decide`` gives for each case; the cases that changed, as they stand now.

    A new case another replica adds at this moment is waited for and then decided again as a known one, so that an
    answer has one case whoever hears of it. What ``decide`` raises is raised, and nothing is kept.
    """
    changed: dict[str, Case] = {}
    remaining = sorted(set(case_ids))
    while remaining:
        known = await cases.lock(connection, remaining)
        decided = {case_id: list(decide(case_id, known.get(case_id))) for case_id in remaining}
        steps = {case_id: taken for case_id, taken in decided.items() if taken}
        last = {case_id: taken[-1].case for case_id, taken in steps.items()}
        around = await surroundings(connection, last.values())
        new = [Kept(case, around[case_id]) for case_id, case in last.items() if case_id not in known]
        added = await cases.insert(connection, new)
        await cases.update(
            connection, [Kept(case, around[case_id]) for case_id, case in last.items() if case_id in known]
        )
        remaining = sorted(one.case.case_id for one in new if one.case.case_id not in added)
        for case_id in remaining:
            del steps[case_id], last[case_id]
        await cases.forget_history(connection, [case_id for case_id, case in last.items() if case.erased])
        await cases.add_history(
            connection,
            [(case_id, step.entry) for case_id, taken in steps.items() for step in taken if step.entry is not None],
        )
        await outbox.put(
            connection,
            [event for case_id, taken in steps.items() for event in publication.events(taken, around[case_id])],
        )
        changed |= last
    return changed


async def surroundings(connection: AsyncConnection, of: Iterable[Case]) -> Mapping[str, Surroundings]:
    """What is known around each case, by case id."""
    answers = {case.case_id: case.answer for case in of}
    given = [answer for answer in answers.values() if answer is not None]
    keys = {answer.customer_id: customer_key(answer.customer_id) for answer in given if answer.customer_id}
    order_ids = {answer.order_id for answer in given if answer.order_id}
    people = await customers.read(connection, keys.values()) if keys else {}
    orders = await customers.read_orders(connection, order_ids) if order_ids else {}
    return {
        case_id: NOTHING_KNOWN
        if answer is None
        else Surroundings(
            customer=people.get(keys[answer.customer_id]) if answer.customer_id else None,
            order=orders.get(answer.order_id) if answer.order_id else None,
        )
        for case_id, answer in answers.items()
    }
