"""An erasure removes a customer's data, however often and late anything arrives again."""

from sqlalchemy import text

from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, order_event, preference


async def test_an_erased_person_leaves_nothing_but_ids(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", attributes={"gift_for": "Ana"}), order_event("placed", "o-2"))
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.handle(preference("bounced", address="ana@example.com", at=START + HOUR))
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(text("DELETE FROM outbox"))  # as the relay does once Kafka has it
    erased = preference("erased", revision=2, at=START + DAY)
    await dispatcher.handle(erased)
    assert await dispatcher.timers() == {}
    # What was on its way, or is told again, brings nothing back.
    await dispatcher.handle(erased)
    await dispatcher.handle(order_event("paid", at=START + 2 * HOUR, attributes={"gift_for": "Ana"}))
    await dispatcher.handle(order_event("delivered", "o-1", at=START + 3 * HOUR))
    tables = await dispatcher.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    )
    for table in (row["table_name"] for row in tables):
        for row in await dispatcher.rows(f"SELECT t::text AS whole FROM {table} AS t"):
            assert "ana" not in row["whole"].lower(), table
            assert "wooden" not in row["whole"] or table == "orders"
    assert await dispatcher.timers() == {}
    assert ("timer_cancelled", "erased") in await dispatcher.outcomes()
    assert (await dispatcher.outcomes())[-1] == ("no_timer", "erased")
    # Who comes back is a customer like any other.
    await dispatcher.handle(order_event("placed", "o-9", at=START + 100 * DAY))
    await dispatcher.pass_time(START + 100 * DAY + HOUR)
    assert ("service-nps", "o-9", START + 100 * DAY + HOUR) in await dispatcher.sends()
