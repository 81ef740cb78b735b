"""Events are published in order, exactly as written, after their commit, and survive a broker outage."""

import asyncio

from sqlalchemy import text

from shared.contracts.cloudevents import read
from shared.contracts.topics import ORDERS, PREFERENCES
from shared.persistence.transaction import rolled_back, transaction
from tests.integration.shared.conftest import Bench, order_event, running
from tests.kit.eventually import eventually
from tools.audit.topics import Topics


async def test_events_arrive_in_order_and_leave_the_outbox(bench: Bench) -> None:
    relay = bench.relay()
    async with running(relay):
        for start in range(0, 200, 50):
            async with transaction(bench.engine) as connection:
                await bench.outbox.put(connection, [order_event(n, "c-1") for n in range(start, start + 50)])
            relay.wake()
        await eventually(lambda: is_empty(bench), "the outbox is empty")
    assert await published(bench) == [f"event-{n}" for n in range(200)]


async def test_what_was_rolled_back_is_never_published(bench: Bench) -> None:
    async with running(bench.relay()):
        async with rolled_back(bench.engine) as connection:
            await bench.outbox.put(connection, [order_event(1)])
        async with transaction(bench.engine) as connection:
            await bench.outbox.put(connection, [order_event(2)])
        await eventually(lambda: is_empty(bench), "the outbox is empty")
    assert await published(bench) == ["event-2"]


async def test_two_relays_take_turns(bench: Bench) -> None:
    async with running(bench.relay()), running(bench.relay()):
        for start in range(0, 300, 10):
            async with transaction(bench.engine) as connection:
                await bench.outbox.put(connection, [order_event(n, "c-1") for n in range(start, start + 10)])
        await eventually(lambda: is_empty(bench), "the outbox is empty")
    assert await published(bench) == [f"event-{n}" for n in range(300)]


async def test_what_is_left_at_the_end_is_still_published(bench: Bench) -> None:
    stop = asyncio.Event()
    stop.set()
    async with transaction(bench.engine) as connection:
        await bench.outbox.put(connection, [order_event(1)])
    await asyncio.wait_for(bench.relay().run(stop), 20)
    assert await published(bench) == ["event-1"]


async def test_a_key_that_is_removed_is_published_without_a_value_and_nobody_stumbles_over_it(bench: Bench) -> None:
    relay = bench.relay()
    async with running(relay):
        async with transaction(bench.engine) as connection:
            await bench.outbox.remove(connection, PREFERENCES.name, ["c-1", "c-2"])
        relay.wake()
        await eventually(lambda: is_empty(bench), "the outbox is empty")
    topics = Topics(bench.settings, prefix=bench.settings.topic_prefix)
    assert {(record.key, record.value) async for record in topics.read([PREFERENCES.name])} == {
        (b"c-1", None), (b"c-2", None),
    }  # fmt: skip
    await bench.publish_preferences([7])
    async with running(bench.consumer()):

        async def is_counted() -> bool:
            return "preference-7" in await bench.counted()

        await eventually(is_counted, "the next record of the key is handled")
    assert await bench.dead_letters() == []


async def is_empty(bench: Bench) -> bool:
    async with bench.engine.connect() as connection:
        return bool((await connection.execute(text("SELECT NOT EXISTS (SELECT FROM outbox)"))).scalar_one())


async def published(bench: Bench) -> list[str]:
    """Ids of everything in the topic, as read by any consumer; one customer's events share a partition."""
    found: list[str] = []
    async for record in Topics(bench.settings, prefix=bench.settings.topic_prefix).read([ORDERS.name]):
        message = read(
            ORDERS,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=record.headers,
        )
        assert message.source == "/hearback/test"
        found.append(message.event_id)
    return found
