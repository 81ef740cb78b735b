"""Who is dormant: only customers of whom nothing lies ahead and to whom nothing has happened lately."""

from datetime import datetime
from uuid import uuid4

from sqlalchemy import text

from services.dispatcher.repository import dormant
from tests.integration.dispatcher.kit import DAY, START, Dispatcher

BEFORE = START
LONG_AGO, LATELY = START - DAY, START + DAY

CUSTOMER = text(
    "INSERT INTO customers (customer_id, erased_at, first_event_at) VALUES (:who, :erased_at, :first_event_at)"
)
CHANNEL = text(
    """
    UPDATE customers SET channels = channels || jsonb_build_object('channel', 'email', 'changed_at', CAST(:at AS text))
    WHERE customer_id = :who
    """
)
DECISION = text(
    """
    INSERT INTO decisions (decision_id, customer_id, decided_at, outcome, reason)
    VALUES (:id, :who, :at, 'no_timer', 'no_change')
    """
)
TIMER = text(
    """
    INSERT INTO timers (timer_id, campaign, customer_id, cause, occurrence, milestone_at, due_at)
    VALUES (:id, 'relationship-nps', :who, 'recurrence', 0, :at, :at)
    """
)
ERASURE = text("INSERT INTO erasures (customer_id, reached) VALUES (:who, 'o-1')")


async def test_only_whoever_nothing_happened_to_lately_is_dormant_and_only_they_are_deleted(
    dispatcher: Dispatcher,
) -> None:
    async with dispatcher.runtime.engine.begin() as connection:

        async def customer(
            who: str, *, erased_at: datetime = LONG_AGO, first_event_at: datetime = LONG_AGO, **at: datetime
        ) -> None:
            await connection.execute(CUSTOMER, {"who": who, "erased_at": erased_at, "first_event_at": first_event_at})
            for moment in (LONG_AGO, at.get("changed_at", LONG_AGO)):
                await connection.execute(CHANNEL, {"who": who, "at": moment.isoformat()})
            for moment in (LONG_AGO, at.get("decided_at", LONG_AGO)):
                await connection.execute(DECISION, {"id": uuid4(), "who": who, "at": moment})

        await customer("nothing-lately")
        await customer("erased-lately", erased_at=LATELY)
        await customer("known-since-lately", first_event_at=LATELY)
        await customer("channel-changed-lately", changed_at=LATELY)
        await customer("decided-about-lately", decided_at=LATELY)
        await customer("something-is-due")
        await connection.execute(TIMER, {"id": uuid4(), "who": "something-is-due", "at": LONG_AGO})
        await customer("still-being-erased")
        await connection.execute(ERASURE, {"who": "still-being-erased"})
    bounds = dormant.Bounds(before=BEFORE, erased_before=BEFORE)
    async with dispatcher.runtime.engine.begin() as connection:
        found = await dormant.look(connection, after="", bounds=bounds, most=10)
        everybody = (await connection.execute(text("SELECT customer_id FROM customers"))).scalars().all()
        deleted = await dormant.delete(connection, dispatcher.runtime.digests, everybody, bounds=bounds, most=100)
        assert deleted.everything
        left = (await connection.execute(text("SELECT customer_id FROM customers"))).scalars().all()
    assert found.customer_ids == ["nothing-lately"]
    assert set(everybody) - set(left) == {"nothing-lately"}
