"""Nothing is kept for ever: everything about a customer goes once nothing has happened to them for long."""

import asyncio
from collections.abc import Mapping

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from services.dispatcher.loops import retention
from services.dispatcher.loops.retention import RetentionLoop
from services.dispatcher.repository import customers, orders
from shared.persistence.statement import Statement
from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, Open, order_event, preference
from tests.kit.locks import held_up

TABLES = ("customers", "orders", "timers", "sends", "decisions", "recurrences", "deliveries", "erasures")


async def left(dispatcher: Dispatcher) -> dict[str, int]:
    counts = {}
    for table in TABLES:
        ((counts[table],),) = [row.values() for row in await dispatcher.rows(f"SELECT count(*) AS n FROM {table}")]
    return {table: count for table, count in counts.items() if count}


async def pruned(dispatcher: Dispatcher) -> None:
    loop = RetentionLoop(dispatcher.runtime)
    async with asyncio.timeout(20):
        while await loop.step():
            pass


async def test_everything_about_a_customer_goes_together(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"), order_event("placed", "o-2", "c-2", email="bob@example.com"))
    await dispatcher.pass_time(START + HOUR)
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(
            text(
                """
                INSERT INTO deliveries (send_id, state, message_id, campaign, expires_at)
                SELECT send_id::text, 'accepted', send_id::text, campaign, expires_at FROM sends
                """
            )
        )
    assert (await left(dispatcher))["deliveries"] == 2
    await dispatcher.handle(preference("unsubscribed", "c-1", address="ana@example.com"))
    await dispatcher.handle(preference("erased", "c-2", at=START + DAY))
    for day in range(0, 800, 10):
        await dispatcher.pass_time(START + HOUR + day * DAY)
    await dispatcher.handle(order_event("placed", "o-3", "c-3", at=START + 800 * DAY, email="eve@example.com"))
    await pruned(dispatcher)
    assert {"c-1", "c-3"} == {row["customer_id"] for row in await dispatcher.rows("SELECT * FROM customers")}
    await dispatcher.pass_time(START + 1_600 * DAY)
    await pruned(dispatcher)
    assert [row["customer_id"] for row in await dispatcher.rows("SELECT customer_id FROM customers")] == ["c-3"]
    assert {row["customer_id"] for row in await dispatcher.rows("SELECT customer_id FROM decisions")} == {"c-3"}
    for day in range(1_600, 4_000, 50):
        await dispatcher.pass_time(START + day * DAY)
    await pruned(dispatcher)
    assert await left(dispatcher) == {}
    # What they asked for outlives it.
    await dispatcher.handle(order_event("placed", "o-9", "c-9", at=START + 4_000 * DAY, email="ANA@example.com"))
    await dispatcher.pass_time(START + 4_000 * DAY + HOUR)
    assert (await dispatcher.outcomes("c-9"))[-1] == ("skipped", "unsubscribed")


async def test_what_a_quiet_period_is_decided_by_is_kept_for_as_long(open_dispatcher: Open) -> None:
    dispatcher = await open_dispatcher(customer_retention_days=30, quiet_period_days=60)
    await dispatcher.handle(order_event("placed"))
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.handle(preference("erased", at=START + DAY))
    for days, kept in ((59, True), (62, False)):
        dispatcher.clock.moment = START + days * DAY
        await pruned(dispatcher)
        assert ("sends" in await left(dispatcher)) is kept


async def test_an_erasure_outlives_all_that_is_kept_about_the_customer(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"))
    await dispatcher.handle(preference("erased", at=START + DAY))
    dispatcher.clock.moment = START + 4_000 * DAY
    await pruned(dispatcher)
    assert await left(dispatcher) == {}
    # An order from before it, which is not known any more, and one that only comes now.
    await dispatcher.handle(order_event("delivered", at=START + 4_001 * DAY))
    await dispatcher.handle(order_event("paid", "o-2", at=START), order_event("delivered", "o-2", at=START + DAY))
    (customer,) = await dispatcher.rows("SELECT details::text AS details, first_event_at FROM customers")
    assert customer == {"details": "{}", "first_event_at": None}
    assert {outcome for outcome, _ in await dispatcher.outcomes()} == {"no_timer"}
    # Who comes back is a customer like any other.
    await dispatcher.handle(order_event("placed", "o-3", at=START + 4_002 * DAY))
    assert (await dispatcher.outcomes())[-1] == ("timer_set", "milestone_reached")


async def test_the_id_of_who_was_erased_does_not_wait_for_the_retention_of_customers(open_dispatcher: Open) -> None:
    dispatcher = await open_dispatcher(quiet_period_days=50, erased_id_days=60)
    for who in ("erased@example.com", "back@example.com"):
        await dispatcher.handle(order_event("placed", f"o-{who}", who, email=who))
    await dispatcher.pass_time(START + HOUR)
    for who in ("erased@example.com", "back@example.com", "stranger@example.com"):
        await dispatcher.handle(preference("erased", who, at=START + DAY))
    await dispatcher.handle(order_event("placed", "o-back", "back@example.com", at=START + 2 * DAY, email=None))
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(text("DELETE FROM outbox"))  # as the relay does once Kafka has it
    for days, kept in ((59, True), (62, False)):
        dispatcher.clock.moment = START + days * DAY
        await pruned(dispatcher)
        found = await said_anywhere(dispatcher, "erased@example.com", "stranger@example.com")
        assert bool(found) is kept, found
        assert await said_anywhere(dispatcher, "back@example.com")


async def said_anywhere(dispatcher: Dispatcher, *words: str) -> list[str]:
    """The tables with a row that contains any of the words."""
    tables = await dispatcher.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    return [
        row["table_name"]
        for row in tables
        if any(
            word in one["whole"]
            for one in await dispatcher.rows(f"SELECT t::text AS whole FROM {row['table_name']} AS t")
            for word in words
        )
    ]


async def test_a_customer_with_very_many_rows_goes_in_slices(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_ROWS", 10)
    monkeypatch.setattr(retention, "_CUSTOMERS", 2)
    await dispatcher.handle(*(order_event("placed", f"o-{number}") for number in range(35)))
    await dispatcher.handle(*(order_event("placed", f"p-{number}", f"c-{number + 2}") for number in range(5)))
    await dispatcher.handle(*(preference("erased", f"c-{number + 1}", at=START + DAY) for number in range(6)))
    dispatcher.clock.moment = START + 4_000 * DAY
    assert await RetentionLoop(dispatcher.runtime).step()
    assert 0 < (await left(dispatcher))["orders"] < 40
    await pruned(dispatcher)
    assert await left(dispatcher) == {}


async def test_an_event_that_comes_while_its_customer_is_deleted_is_handled(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"))
    await dispatcher.handle(preference("erased", at=START + DAY))
    dispatcher.clock.moment = START + 4_000 * DAY
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(text("DELETE FROM orders"))
        await connection.execute(text("DELETE FROM customers"))
        arriving = asyncio.create_task(dispatcher.handle(order_event("placed", at=START + 4_000 * DAY)))
        await held_up(dispatcher.runtime, arriving)
    await arriving
    assert (await dispatcher.outcomes())[-1] == ("timer_set", "milestone_reached")


async def test_rows_deleted_just_before_they_are_locked_are_made_again(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dispatcher.handle(order_event("placed"))
    make = Statement.changes

    async def made_in_vain(statement: Statement, connection: AsyncConnection, values: Mapping[str, object]) -> int:
        """What is there need not be made, and is deleted before it is locked."""
        made = await make(statement, connection, values)
        monkeypatch.setattr(Statement, "changes", make)
        async with dispatcher.runtime.transaction() as other:
            await other.execute(text("DELETE FROM orders"))
            await other.execute(text("DELETE FROM customers"))
        return made

    async with dispatcher.runtime.transaction() as connection:
        monkeypatch.setattr(Statement, "changes", made_in_vain)
        assert set(await orders.lock(connection, {"o-1": "c-1"})) == {"o-1"}
    async with dispatcher.runtime.transaction() as connection:
        await customers.lock(connection, ["c-1"])
    async with dispatcher.runtime.transaction() as connection:
        monkeypatch.setattr(Statement, "changes", made_in_vain)
        assert set(await customers.lock(connection, ["c-1"])) == {"c-1"}


@pytest.mark.parametrize("channels", ['{"changed_at": 1}', '[{"channel": "email", "changed_at": "soon"}]'])
async def test_a_customer_who_cannot_be_read_stops_no_other(dispatcher: Dispatcher, channels: str) -> None:
    for number in range(1, 6):
        await dispatcher.handle(order_event("placed", f"o-{number}", f"c-{number}"))
    await dispatcher.pass_time(START + HOUR)
    for day in range(0, 4_000, 50):
        await dispatcher.pass_time(START + HOUR + day * DAY)
    async with dispatcher.runtime.transaction() as connection:
        for at_fault in ("c-2", "c-5"):
            await connection.execute(
                text("UPDATE customers SET channels = CAST(:channels AS jsonb) WHERE customer_id = :at_fault"),
                {"channels": channels, "at_fault": at_fault},
            )
    loop = RetentionLoop(dispatcher.runtime)
    with capture_logs() as logs:
        for _ in range(2):
            while await loop.step():
                pass
    left_over = await dispatcher.rows("SELECT customer_id FROM customers ORDER BY customer_id")
    assert [row["customer_id"] for row in left_over] == ["c-2", "c-5"]
    told = [entry for entry in logs if entry["log_level"] == "error"]
    assert len(told) == 2, "each is told once, not at every walk"
    assert "c-2" not in str(told) and "soon" not in str(told)
