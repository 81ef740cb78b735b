"""Claiming due timers: an index walk in order, whatever the planner's statistics; nothing set after the reading."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from services.dispatcher.domain.timers import Timer
from services.dispatcher.repository import customers, timers
from shared.messaging.repository import positions
from shared.persistence.planner import index_walk
from shared.persistence.transaction import transaction
from shared.watermark import BEGINNING
from tests.integration.dispatcher.kit import START, Dispatcher
from tests.kit.plans import plan_of

DUE = 20_000
LATER = START + timedelta(days=10_000)


async def load(dispatcher: Dispatcher) -> None:
    """Timers due a second apart up to START, of half as many customers."""
    async with transaction(dispatcher.runtime.engine) as connection:
        await connection.execute(
            text("INSERT INTO customers (customer_id) SELECT 'c-' || n FROM generate_series(0, :n) AS n"),
            {"n": DUE // 2},
        )
        await connection.execute(
            text(
                """
                INSERT INTO timers (timer_id, campaign, customer_id, order_id, cause, occurrence, milestone_at, due_at)
                SELECT gen_random_uuid(), 'service-nps', 'c-' || n / 2, 'o-' || n, 'milestone', 0, due_at, due_at
                FROM generate_series(1, :n) AS n
                CROSS JOIN LATERAL (SELECT CAST(:start AS timestamptz) - make_interval(secs => n) AS due_at) AS due
                """
            ),
            {"n": DUE, "start": START},
        )


async def plan(dispatcher: Dispatcher) -> str:
    async with transaction(dispatcher.runtime.engine) as connection, index_walk(connection):
        return await plan_of(
            connection, timers._CLAIM, {"now": START, "watermark": BEGINNING, "most": 500, "known_by": LATER}
        )


async def test_the_claim_walks_the_index_with_and_without_statistics(dispatcher: Dispatcher) -> None:
    await load(dispatcher)
    plans = [await plan(dispatcher)]
    async with transaction(dispatcher.runtime.engine) as connection:
        await connection.execute(text("ANALYZE timers, customers"))
    plans.append(await plan(dispatcher))
    for found in plans:
        assert "Index Scan using timers_due" in found
        assert "Index Scan using customers_pkey" in found
        assert "Sort" not in found
        assert "Seq Scan" not in found


async def test_a_claim_takes_the_oldest_and_leaves_the_planner_as_it_was(dispatcher: Dispatcher) -> None:
    await load(dispatcher)
    async with transaction(dispatcher.runtime.engine) as connection:
        claimed = await timers.claim(connection, now=START, watermark=BEGINNING, most=10, known_by=LATER)
        setting = (await connection.execute(text("SHOW enable_sort"))).scalar()
    assert claimed.reached == START - timedelta(seconds=DUE - 9)
    assert claimed.full
    assert len(claimed.ids) == 6
    assert setting == "on"


def due_timer(customer_id: str, campaign: str = "service-nps", due: timedelta = timedelta(hours=1)) -> Timer:
    due_at = START - due
    return Timer(
        timer_id=str(uuid4()),
        campaign=campaign,
        customer_id=customer_id,
        order_id=f"o-{customer_id}",
        cause="milestone",
        occurrence=0,
        due_at=due_at,
        check_at=due_at,
        traceparent=None,
    )


async def test_no_customer_is_claimed_with_a_due_timer_that_was_set_or_moved_after_the_reading(
    dispatcher: Dispatcher,
) -> None:
    """All timers of a claimed customer are decided, also one whose cancellation may not have been read yet."""
    engine = dispatcher.runtime.engine
    names = ["known", "moved-since", "one-more-since", "one-more-to-come"]
    known = [due_timer(name) for name in names]
    async with transaction(engine) as connection:
        await customers.lock(connection, [*names, "set-since"])
        await timers.put(connection, known)
    async with engine.connect() as connection:
        known_by = await positions.now(connection)
    since = [
        due_timer("set-since"),
        replace(known[1], due_at=START - timedelta(hours=2), check_at=START - timedelta(hours=2)),
        due_timer("one-more-since", campaign="product-nps"),
        due_timer("one-more-to-come", campaign="product-nps", due=timedelta(hours=-1)),
    ]
    async with transaction(engine) as connection:
        await timers.put(connection, since)
    async with transaction(engine) as connection:
        claimed = await timers.claim(connection, now=START, watermark=BEGINNING, most=10, known_by=known_by)
    assert sorted(claimed.ids) == ["known", "one-more-to-come"]
