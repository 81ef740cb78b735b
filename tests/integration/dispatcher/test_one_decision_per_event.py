"""Promise 4 on the real database: one decision per event, whatever the batches, order of arrival and duplicates."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.dispatcher.domain.decisions import Decision
from services.dispatcher.domain.order_events import IncomingEvent, OrderBatch
from shared.messaging.handler import Rejected
from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, order_event, request

# All but when a row was written.
TIMERS = """
    SELECT timer_id, campaign, customer_id, order_id, cause, occurrence, milestone_at, due_at, traceparent
    FROM timers WHERE customer_id LIKE :like ORDER BY timer_id
"""

events = st.builds(
    lambda kind, order, customer, hours: (kind, f"o-{order}", f"c-{customer}", hours),
    st.sampled_from(["placed", "paid", "shipped", "delivered", "cancelled", "refunded"]),
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(-200, 0),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=8), st.data())
async def test_any_batching_of_any_reordering_stores_the_same_and_one_decision_an_event(
    dispatcher: Dispatcher, arrived: list[tuple[str, str, str, int]], data: st.DataObject
) -> None:
    run = data.draw(st.uuids(version=4)).hex[:8]
    messages = [
        order_event(kind, f"{run}-{order}", f"{run}-{customer}", at=START + hours * HOUR, event_id=f"{run}-{index}")
        for index, (kind, order, customer, hours) in enumerate(arrived)
    ]

    async def stored() -> list[object]:
        like = {"like": f"{run}%"}
        return [
            await dispatcher.rows("SELECT * FROM orders WHERE order_id LIKE :like ORDER BY order_id", **like),
            await dispatcher.rows("SELECT * FROM customers WHERE customer_id LIKE :like ORDER BY customer_id", **like),
            await dispatcher.rows(TIMERS, **like),
        ]

    async def forget() -> None:
        async with dispatcher.runtime.engine.begin() as connection:
            for table in ("orders", "customers", "timers", "decisions"):
                await connection.execute(text(f"DELETE FROM {table}"))

    await forget()
    await dispatcher.handle(*messages)
    at_once = await stored()
    await forget()
    again = data.draw(st.permutations([*messages, *messages[: len(messages) // 2]]))
    start = 0
    while start < len(again):
        size = data.draw(st.integers(1, 4))
        await dispatcher.handle(*again[start : start + size])
        start += size
    assert await stored() == at_once
    decided = await dispatcher.rows("SELECT event_id FROM decisions WHERE event_type LIKE 'order.%'")
    assert sorted(row["event_id"] for row in decided) == sorted(message.event_id for message in messages)


async def test_other_work_goes_on_while_a_batch_is_folded(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many campaigns it takes seconds, in which heartbeats have to go out and requests to be answered."""
    rounds, seen = 0, []
    fold = OrderBatch.fold

    async def other_work() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    def noted(batch: OrderBatch, event: IncomingEvent) -> Decision:
        seen.append(rounds)
        return fold(batch, event)

    monkeypatch.setattr(OrderBatch, "fold", noted)
    working = asyncio.create_task(other_work())
    try:
        await dispatcher.handle(*(order_event("placed", f"o-{number}", f"c-{number}") for number in range(300)))
    finally:
        working.cancel()
    assert len(seen) == 300
    longest = max(seen.count(round_) for round_ in set(seen))
    assert longest <= 60, f"{longest} events without a pause"


async def test_the_same_id_from_another_source_is_another_event(dispatcher: Dispatcher) -> None:
    first = order_event("placed", event_id="1")
    from_elsewhere = first._replace(source="/marketplace")
    await dispatcher.handle(first, from_elsewhere, first)
    await dispatcher.handle(from_elsewhere)
    assert await dispatcher.outcomes() == [("timer_set", "milestone_reached"), ("no_timer", "no_change")]


async def test_an_id_used_again_for_something_else_is_rejected(dispatcher: Dispatcher) -> None:
    """A shop that takes the order number for the event's id would lose its cancellations without a word."""
    first = order_event("placed", event_id="1")
    # In one batch, or later; the same event again is only a duplicate, and so is one that describes the person better.
    again = [order_event("cancelled", event_id="1"), order_event("placed", "o-2", event_id="1")]
    with pytest.raises(Rejected) as rejected:
        await dispatcher.handle(first, *again, order_event("placed", event_id="1", email="ana@new.example"))
    assert [message for message, _ in rejected.value.messages] == again
    assert "ce_id" in rejected.value.messages[0][1]
    assert await dispatcher.outcomes() == [], "the batch is handled again without them"
    await dispatcher.handle(first, first)
    with pytest.raises(Rejected) as rejected:
        await dispatcher.handle(first, *again)
    assert [message for message, _ in rejected.value.messages] == again
    assert await dispatcher.outcomes() == [("timer_set", "milestone_reached")]
    await dispatcher.handle(order_event("placed", event_id="1", channel=None))
    with pytest.raises(Rejected):
        await dispatcher.handle(order_event("placed", event_id="1", channel="app"))


async def test_a_request_whose_id_was_used_for_something_else_is_rejected(dispatcher: Dispatcher) -> None:
    """Whoever takes the case number for the event's id would lose every further request of the case."""
    campaign = "relationship-nps"
    first = request(campaign, event_id="1")
    # In one batch, or later; the same request again is only a duplicate, however its reason is worded.
    again = [
        request(campaign, not_before=START + DAY, event_id="1"),
        request(campaign, request_id="r-2", event_id="1"),
        request(campaign, "c-2", event_id="1"),
    ]
    with pytest.raises(Rejected) as rejected:
        await dispatcher.handle(first, *again, request(campaign, event_id="1", reason="the case was closed"))
    assert [message for message, _ in rejected.value.messages] == again
    assert "ce_id" in rejected.value.messages[0][1]
    assert await dispatcher.outcomes() == [], "the batch is handled again without them"
    await dispatcher.handle(first, first)
    with pytest.raises(Rejected) as rejected:
        await dispatcher.handle(first, *again)
    assert [message for message, _ in rejected.value.messages] == again
    assert await dispatcher.outcomes() == [("timer_set", "requested")]
    await dispatcher.handle(request(campaign, "c-2", source="/alerts", request_id="r-3", event_id="1"))
    assert await dispatcher.outcomes("c-2") == [("timer_set", "requested")]


async def test_an_order_event_and_a_request_with_one_id_are_told_apart(dispatcher: Dispatcher) -> None:
    asked = request("relationship-nps", event_id="1", source="/shop")
    with pytest.raises(Rejected) as rejected:
        await dispatcher.handle(order_event("placed", event_id="1"), asked)
    assert [message for message, _ in rejected.value.messages] == [asked]
    await dispatcher.handle(asked)
    with pytest.raises(Rejected):
        await dispatcher.handle(order_event("placed", event_id="1"))
