"""What is at fault stands still by itself: a partition at its topic's limit, a topic whose handler is broken."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts import cloudevents
from shared.contracts.cloudevents import Message
from shared.contracts.topics import ORDERS, Topic
from shared.health import Health
from shared.messaging.repository import dead_letters
from tests.integration.shared.conftest import CONSUMER, NOW, Bench, count, running
from tests.kit.eventually import eventually

LIMIT = 5


async def test_ten_thousand_unreadable_records_hold_up_nothing_but_what_is_behind_them(bench: Bench) -> None:
    await bench.publish_unreadable(10_000)
    await bench.publish([1], partition=0)
    await bench.publish([2], partition=1)
    await bench.publish_preferences(range(3))
    health = Health()
    health.started = True
    async with running(bench.consumer(health=health)):
        await eventually(lambda: counted(bench, "preference-2", "event-2"), "everything else is handled", within=10)
        await bench.publish_preferences(range(3, 5))
        await bench.publish([3], partition=1)
        await eventually(lambda: counted(bench, "preference-4", "event-3"), "it goes on", within=5)
        assert len(await bench.dead_letters()) == LIMIT
        assert await bench.stands_still() == [("orders", 0, LIMIT, "dead_letter_limit")]
        told = (await health.obstacles())[f"{CONSUMER} consumer: orders"]
        assert "5 × " in told
        assert f"orders.{CONSUMER}.dlq" in told
        assert "event-1" not in await bench.counted()
        await grant(bench, 20_000)
        await eventually(lambda: counted(bench, "event-1"), "an operator's grant lets it go on", within=60)
        await eventually(lambda: ready(health), "readiness says so")
    assert len(await bench.dead_letters()) == 10_000
    assert await bench.stands_still() == []
    assert set((await bench.counted()).values()) == {1}


async def test_one_record_more_than_the_limit_in_one_batch_leaves_the_limit_set_aside(bench: Bench) -> None:
    await bench.publish_unreadable(LIMIT + 1)
    async with running(bench.consumer()):
        await eventually(lambda: stopped(bench), "it stands still at the sixth")
        assert len(await bench.dead_letters()) == LIMIT
        async with bench.engine.begin() as connection:
            await connection.execute(text("UPDATE dead_letters SET recorded_at = recorded_at - interval '61 minutes'"))
        await eventually(lambda: stopped(bench, wanted=False), "it goes on when the hour is over")
    assert len(await bench.dead_letters()) == LIMIT + 1


async def test_what_stands_still_is_found_again_after_a_restart(bench: Bench) -> None:
    await bench.publish_unreadable(LIMIT + 3)
    async with running(bench.consumer()):
        await eventually(lambda: stopped(bench), "it stands still")
    health = Health()
    health.started = True
    async with running(bench.consumer(health=health)):
        await bench.publish_preferences([1])
        await eventually(lambda: counted(bench, "preference-1"), "the others go on")
        await eventually(lambda: ready(health, wanted=False), "readiness tells")
        assert len(await bench.dead_letters()) == LIMIT


async def test_a_handler_that_fails_for_everything_is_not_the_messages_fault(bench: Bench) -> None:
    broken = True

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        if broken:
            raise KeyError("a bug")
        await count(connection, messages)

    await bench.publish(range(50))
    health = Health()
    health.started = True
    async with running(bench.consumer(handle, health)):
        await bench.publish_preferences(range(3))
        await eventually(lambda: counted(bench, "preference-2"), "another topic goes on")
        await eventually(lambda: ready(health, wanted=False), "readiness tells")
        told = (await health.obstacles())[f"{CONSUMER} consumer: orders"]
        assert "KeyError in tests/integration/shared/messaging/test_standing_still.py:" in told
        assert {cause for *_, cause in await bench.stands_still()} == {"own_fault"}
        broken = False
        await eventually(lambda: counted(bench, *(f"event-{number}" for number in range(50))), "all, once it works")
        await eventually(lambda: ready(health), "readiness says so")
    assert await bench.dead_letters() == []
    assert set((await bench.counted()).values()) == {1}


@pytest.mark.parametrize("restarted", [False, True])
async def test_once_a_topic_can_be_handled_its_empty_partitions_do_not_stand_still(
    bench: Bench, restarted: bool
) -> None:
    broken = True

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        if broken:
            raise KeyError("a bug")
        await count(connection, messages)

    await bench.publish(range(5), partition=0)
    before = Health()
    before.started = True
    async with running(bench.consumer(handle, before)):
        await eventually(lambda: stopped(bench), "it stands still")
        await eventually(lambda: ready(before, wanted=False), "readiness tells")
        if not restarted:
            broken = False
            await eventually(lambda: ready(before), "readiness says that it goes on")
    broken = False
    after = Health()
    after.started = True
    async with running(bench.consumer(handle, after)):
        await eventually(lambda: counted(bench, "event-4"), "all, once it works")
        await eventually(lambda: stopped(bench, wanted=False), "nothing stands still")
        await eventually(lambda: ready(after), "readiness says so")


async def test_a_record_whose_id_cannot_be_stored_stops_nothing(bench: Bench) -> None:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        if any(message.event_id == "odd" for message in messages):
            raise AttributeError("a case nobody thought of")
        await count(connection, messages)

    value = orjson.dumps({"order_id": "1", "occurred_at": NOW.isoformat(), "customer": {"id": "c-1"}})
    named = [("ce_type", b"order.placed"), ("ce_source", b"/shop")]
    for event_id in (b"a\x00b", b"odd", b"\xff", b"a\nb"):
        await bench.publish_raw(value, [*named, ("ce_id", event_id)])
    await bench.publish_raw(value, [("ce_type", b"order.placed"), ("ce_source", b"/a\x00b"), ("ce_id", b"e")])
    await bench.publish([1, 2, 3], partition=0)
    async with running(bench.consumer(handle)):
        await eventually(lambda: counted(bench, "event-3"), "the others are handled")
    assert len(await bench.dead_letters()) == 4
    assert await bench.counted() == dict.fromkeys(("a\nb", "event-1", "event-2", "event-3"), 1)


async def test_statements_that_postgresql_rejects_are_our_fault_and_stop_one_topic(bench: Bench) -> None:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await connection.execute(text("SELECT no_such_column"))

    await bench.publish(range(10))
    async with running(bench.consumer(handle)):
        await bench.publish_preferences([1])
        await eventually(lambda: counted(bench, "preference-1"), "another topic goes on")
        await eventually(lambda: stopped(bench), "this one stands still")
    assert await bench.dead_letters() == []


async def test_a_message_that_only_our_code_stumbles_over_is_set_aside_when_others_can_be_handled(bench: Bench) -> None:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        if any(message.event_id in ("event-0", "event-1", "event-2", "event-3") for message in messages):
            raise AttributeError("a case nobody thought of")
        await count(connection, messages)

    await bench.publish(range(40), partition=0)
    async with running(bench.consumer(handle)):
        await eventually(lambda: counted(bench, "event-39"), "the others are handled")
    assert await bench.dead_letters() == ["could not be handled: AttributeError"] * 4
    assert len(await bench.counted()) == 36


async def test_a_reader_that_fails_for_everything_is_not_the_records_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True
    read = cloudevents.read

    def read_but_no_orders(topic: Topic, **record: Any) -> Message:
        if broken and topic is ORDERS:
            raise KeyError("a bug")
        return read(topic, **record)

    monkeypatch.setattr(cloudevents, "read", read_but_no_orders)
    await bench.publish(range(50), partition=0)
    async with running(bench.consumer()):
        await bench.publish_preferences([1])
        await eventually(lambda: counted(bench, "preference-1"), "another topic goes on")
        await eventually(lambda: stopped(bench), "this one stands still")
        assert {cause for *_, cause in await bench.stands_still()} == {"own_fault"}
        broken = False
        await eventually(lambda: counted(bench, *(f"event-{number}" for number in range(50))), "all, once it works")
    assert await bench.dead_letters() == []


async def test_alone_in_its_batch_a_message_is_at_fault_but_not_every_one_is(bench: Bench) -> None:
    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        raise AttributeError("never works")

    async with running(bench.consumer(handle)):
        for number in range(3):
            await bench.publish([number], partition=0)
            await eventually(partial(dead, bench, number + 1), f"{number + 1} set aside")
        await bench.publish([3], partition=0)
        await eventually(lambda: stopped(bench), "the fourth in a row is not")
    assert len(await bench.dead_letters()) == 3


async def test_a_batch_committed_in_part_is_not_handled_again_when_the_database_fails(bench: Bench) -> None:
    failures = 0

    async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        nonlocal failures
        names = [message.event_id for message in messages]
        if "event-7" in names:
            await connection.execute(text("SELECT 1 / 0"))
        await count(connection, messages)
        if "event-30" in names and failures < 3:
            failures += 1
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    await bench.publish(range(40), partition=0)
    async with running(bench.consumer(handle)):
        await eventually(lambda: counted(bench, "event-39"), "everything is handled")
    expected = {f"event-{number}": 1 for number in range(40) if number != 7}
    assert await bench.counted() == expected


async def test_a_topic_that_was_made_anew_stands_still_by_itself(bench: Bench) -> None:
    async with bench.engine.begin() as connection:
        await connection.execute(
            text(
                """
                INSERT INTO consumer_positions (consumer, topic, partition, next_offset)
                SELECT :consumer, 'orders', partition, 10 FROM generate_series(0, 5) AS p (partition)
                """
            ),
            {"consumer": CONSUMER},
        )
    health = Health()
    health.started = True
    await bench.publish_preferences([1])
    async with running(bench.consumer(health=health)):
        await eventually(lambda: counted(bench, "preference-1"), "the others go on")
        await eventually(lambda: ready(health, wanted=False), "readiness tells")
        assert "recreated, or this is another cluster" in (await health.obstacles())[f"{CONSUMER} consumer: orders"]
    # Grown past the position, it is still another topic.
    await bench.publish(range(30), partition=0)
    async with running(bench.consumer()):
        await bench.publish_preferences([2])
        await eventually(lambda: counted(bench, "preference-2"), "the others go on")
        assert len(await bench.stands_still()) == 6
    assert "event-29" not in await bench.counted()


async def counted(bench: Bench, *names: str) -> bool:
    return set(names) <= (await bench.counted()).keys()


async def stopped(bench: Bench, *, wanted: bool = True) -> bool:
    return bool(await bench.stands_still()) == wanted


async def dead(bench: Bench, number: int) -> bool:
    return len(await bench.dead_letters()) >= number


async def ready(health: Health, *, wanted: bool = True) -> bool:
    return (not await health.obstacles()) == wanted


async def grant(bench: Bench, records: int) -> None:
    async with bench.engine.begin() as connection:
        await dead_letters.grant(connection, CONSUMER, topic="orders", records=records)


async def test_a_batch_that_takes_too_long_is_halved_until_it_fits(bench: Bench) -> None:
    """So are those after it, which would take too long as well; once smaller ones fit, they grow again."""
    sizes: list[int] = []
    most_in_time = 10

    async def slow(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        sizes.append(len(messages))
        await connection.execute(text("SET LOCAL statement_timeout = '100ms'"))
        if len(messages) > most_in_time:
            await connection.execute(text("SELECT pg_sleep(1)"))
        await count(connection, messages)

    async def handled(numbers: range) -> None:
        await bench.publish(numbers, partition=0)
        names = [f"event-{number}" for number in numbers]
        await eventually(lambda: counted(bench, *names), f"{numbers} to be handled")

    async with running(bench.consumer(slow)):
        await handled(range(80))
        assert max(sizes) > most_in_time
        sizes.clear()
        await handled(range(80, 160))
        assert max(sizes) <= 2 * most_in_time, f"those after it were not halved: {sizes}"
        most_in_time = 1_000
        sizes.clear()
        await handled(range(160, 560))
        assert max(sizes) > 40, f"it did not grow again: {sizes}"
    assert await bench.dead_letters() == []
    assert set((await bench.counted()).values()) == {1}


async def test_one_message_that_always_takes_too_long_stands_still_by_itself(bench: Bench) -> None:
    async def slow(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await connection.execute(text("SET LOCAL statement_timeout = '50ms'"))
        if any(message.event_id == "event-3" for message in messages):
            await connection.execute(text("SELECT pg_sleep(1)"))
        await count(connection, messages)

    await bench.publish(range(6), partition=0)
    await bench.publish(range(10, 13), partition=1)
    async with running(bench.consumer(slow)):
        await bench.publish_preferences([1])
        await eventually(lambda: counted(bench, "event-2", "event-12", "preference-1"), "the others go on")
        await eventually(lambda: stopped(bench), "its partition stands still")
        assert await bench.stands_still() == [("orders", 0, 3, "own_fault")]
    assert await bench.dead_letters() == []


async def test_two_rows_of_one_batch_for_one_row_of_a_table_are_the_datas_fault(bench: Bench) -> None:
    async def careless(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await connection.execute(
            text(
                """
                INSERT INTO counted (event_id, times) SELECT id, 1 FROM unnest(CAST(:ids AS text[])) AS given (id)
                ON CONFLICT (event_id) DO UPDATE SET times = counted.times + 1
                """
            ),
            {"ids": [message.event_id for message in messages]},
        )

    await bench.publish([1, 2, 2, 3], partition=0)
    async with running(bench.consumer(careless)):
        await eventually(lambda: counted(bench, "event-3"), "halved, the batch is handled")
    assert await bench.counted() == {"event-1": 1, "event-2": 2, "event-3": 1}
    assert await bench.dead_letters() == []
