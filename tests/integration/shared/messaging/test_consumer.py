"""The batch loop with duplicates, replicas, poison messages and a failing handler: every record counts exactly once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from shared.contracts.cloudevents import Headers, Message
from shared.contracts.topics import ORDERS
from shared.health import Health
from shared.messaging.handler import Rejected
from shared.messaging.repository import positions
from shared.messaging.transaction import BatchTransaction
from shared.persistence.transaction import transaction
from tests.integration.shared.conftest import CONSUMER, Bench, count, running
from tests.kit.eventually import eventually


def everything_once(numbers: range) -> dict[str, int]:
    return {f"event-{number}": 1 for number in numbers}


async def test_every_record_is_handled_once(bench: Bench) -> None:
    await bench.publish(range(500))
    async with running(bench.consumer()):
        await eventually(lambda: has_counted(bench, 500), "500 events counted")
        await bench.publish(range(500, 600))
        await eventually(lambda: has_counted(bench, 600), "100 more counted while running")
    assert await bench.counted() == everything_once(range(600))


async def test_a_restart_goes_on_where_postgresql_says(bench: Bench) -> None:
    await bench.publish(range(50))
    async with running(bench.consumer()):
        await eventually(lambda: has_counted(bench, 50), "50 events counted")
    # Kafka's offsets are advisory: resetting them to the start must not make anything count again.
    await pull_kafka_offsets_back(bench)
    await bench.publish(range(50, 60))
    async with running(bench.consumer()):
        await eventually(lambda: has_counted(bench, 60), "10 more counted after the restart")
    assert await bench.counted() == everything_once(range(60))


async def test_a_stalled_replica_that_wakes_up_writes_nothing(bench: Bench) -> None:
    woken = asyncio.Event()
    in_hand: asyncio.Queue[Sequence[Message]] = asyncio.Queue()

    async def stall_first(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        if not woken.is_set():
            in_hand.put_nowait(messages)
            await woken.wait()
        await count(connection, messages)

    await bench.publish(range(20), partition=0)
    async with running(bench.consumer(stall_first)):
        batch = await asyncio.wait_for(in_hand.get(), 20)
        # The stalled one holds its transaction. PostgreSQL would end the session; we do it here to save time.
        await end_sessions_in_transaction(bench)
        first = TopicPartition("orders", 0)
        other = BatchTransaction(CONSUMER, [ORDERS], {"orders": count}, bench.engine, bench.settings)
        await other.commit(batch, expected={first: batch[0].offset}, following={first: batch[-1].offset + 1})
        assert len(await bench.counted()) == len(batch)
        given_up = metric("hearback_fenced_batches_total")
        woken.set()
        await bench.publish(range(20, 40))
        await eventually(lambda: has_counted(bench, 40), "it continues behind the other")
    assert await bench.counted() == everything_once(range(40))
    assert metric("hearback_fenced_batches_total") == given_up + 1


async def test_two_replicas_share_and_hand_over(bench: Bench) -> None:
    await bench.publish(range(300))
    async with running(bench.consumer()):
        async with running(bench.consumer()):
            await bench.publish(range(300, 600))
            await eventually(lambda: has_counted(bench, 600), "both counted")
        await bench.publish(range(600, 700))
        await eventually(lambda: has_counted(bench, 700), "the remaining one took over")
    assert await bench.counted() == everything_once(range(700))


async def test_partitions_handed_over_while_a_batch_is_written_harm_nobody(bench: Bench) -> None:
    health = Health()
    health.started = True
    health.trouble(f"{CONSUMER} consumer", sentence="has not begun")
    in_hand, handed_over = asyncio.Event(), asyncio.Event()

    async def slow_at_first(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        if not in_hand.is_set():
            in_hand.set()
            await handed_over.wait()
        await count(connection, messages)

    async def shares() -> bool:
        return not await health.obstacles()

    await bench.publish(range(100))
    async with running(bench.consumer(slow_at_first)):
        await asyncio.wait_for(in_hand.wait(), 20)
        async with running(bench.consumer(health=health)):
            await eventually(shares, "another consumer was given its partitions")
            handed_over.set()
            await bench.publish(range(100, 200))
            await eventually(lambda: has_counted(bench, 200), "both continue")
        await bench.publish(range(200, 300))
        await eventually(lambda: has_counted(bench, 300), "the first is still at work")
    assert await bench.counted() == everything_once(range(300))


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"not json", [("ce_type", b"order.placed"), ("ce_id", b"1"), ("ce_source", b"/shop")], "Invalid JSON"),
        (b"{}", [("ce_type", b"order.placed"), ("ce_id", b"1"), ("ce_source", b"/shop")], "order_id: Field required"),
        (b"{}", [("ce_id", b"1"), ("ce_source", b"/shop")], "ce_type is missing"),
        (b"{}", [("ce_type", b"order.eaten"), ("ce_id", b"1"), ("ce_source", b"/shop")], "does not belong in orders"),
        (None, [("ce_type", b"order.placed"), ("ce_id", b"1"), ("ce_source", b"/shop")], "no value"),
        (b"\xff\xfe", [("content-type", b"application/cloudevents+json")], "not JSON"),
        (b"{}", [("ce_type", None), ("ce_id", b"1"), ("ce_source", b"/shop")], "ce_type is missing"),
        (
            b'{"order_id":"\\u0000","occurred_at":"2026-11-01T00:00:00Z","customer":{"id":"c"}}',
            [("ce_type", b"order.placed"), ("ce_id", b"1"), ("ce_source", b"/shop")],
            "order_id: contains a control character",
        ),
        (
            b'{"order_id":"1","occurred_at":"2099-01-01T00:00:00Z","customer":{"id":"c"}}',
            [("ce_type", b"order.placed"), ("ce_id", b"1"), ("ce_source", b"/shop")],
            "minutes after the event arrived; check the clock",
        ),
    ],
    ids=[
        "no-json",
        "no-fields",
        "no-type",
        "wrong-type",
        "tombstone",
        "structured-garbage",
        "header-without-value",
        "unstorable-id",
        "ahead-of-its-arrival",
    ],
)
async def test_poison_is_set_aside_with_its_bytes_and_its_reason(
    bench: Bench, value: bytes | None, headers: Headers, reason: str
) -> None:
    await bench.publish(range(10), partition=0)
    await bench.publish_raw(value, headers)
    await bench.publish(range(10, 20), partition=0)
    async with running(bench.consumer()), running(bench.relay()):
        await eventually(lambda: has_counted(bench, 20), "what surrounds the poison is counted")
        letter = await read_one(bench, f"orders.{CONSUMER}.dlq")
    assert await bench.counted() == everything_once(range(20))
    assert [reason in found for found in await bench.dead_letters()] == [True]
    told = dict(letter.headers)
    assert letter.value == (value or b"")
    assert (told["hearback-topic"], told["hearback-partition"], told["hearback-offset"]) == (b"orders", b"0", b"10")
    assert reason in told["hearback-reason"].decode()
    assert set(headers) <= set(letter.headers)


async def test_what_was_not_read_as_it_was_sent_is_counted_by_field(bench: Bench) -> None:
    labels = {"topic": "orders", "field": "items.price", "change": "left_out"}
    before = REGISTRY.get_sample_value("hearback_adjusted_fields_total", labels) or 0.0
    value = (
        b'{"order_id":"1","occurred_at":"2026-03-01T00:00:00Z","customer":{"id":"c"},'
        b'"items":[{"price":"free"},{"price":"free"}]}'
    )
    for number in (b"1", b"2"):
        headers = [("ce_type", b"order.placed"), ("ce_id", number), ("ce_source", b"/shop")]
        await bench.publish_raw(value, headers)
    async with running(bench.consumer()):
        await eventually(lambda: has_counted(bench, 2), "both are handled")

        async def told() -> bool:
            return REGISTRY.get_sample_value("hearback_adjusted_fields_total", labels) == before + 2

        await eventually(told, "once an event")
    assert await bench.dead_letters() == []


async def test_poison_as_large_as_a_broker_takes_does_not_hold_up_the_outbox(bench: Bench) -> None:
    large = [("ce_id", b"1"), ("note", b"n" * 10), ("baggage", b"b" * 700_000)]
    await bench.publish_raw(b"v", large, key=b"k" * 348_300)
    await bench.publish_raw(b"{}", [("ce_id", b"2")])
    async with running(bench.consumer()), running(bench.relay()):
        letters = await read_some(bench, f"orders.{CONSUMER}.dlq", 2)
    first, second = sorted(letters, key=lambda letter: dict(letter.headers)["hearback-offset"])
    told = dict(first.headers)
    assert (first.value, len(first.key), told["note"]) == (b"v", 20_000, b"n" * 10)
    assert (told["hearback-key"], told["hearback-headers"]) == (b"cut from 348300 bytes", b"2 of 3")
    assert second.value == b"{}"


async def test_a_message_the_database_refuses_is_found_among_the_good_ones(bench: Bench) -> None:
    async def refuse_seven(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await count(connection, messages)
        for message in messages:
            divisor = 0 if message.event_id == "event-7" else 1
            await connection.execute(text("SELECT 1 / CAST(:divisor AS integer)"), {"divisor": divisor})

    await bench.publish(range(40), partition=0)
    async with running(bench.consumer(refuse_seven)):
        await eventually(lambda: has_counted(bench, 39), "all but one counted")
    expected = everything_once(range(40))
    del expected["event-7"]
    assert await bench.counted() == expected
    assert await bench.dead_letters() == ["could not be handled: DBAPIError 22012"]


async def test_what_a_handler_rejects_is_set_aside_with_its_reason(bench: Bench) -> None:
    async def reject_seven(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await count(connection, messages)
        if wrong := [(message, "is the seventh") for message in messages if message.event_id == "event-7"]:
            raise Rejected(wrong)

    await bench.publish(range(40), partition=0)
    async with running(bench.consumer(reject_seven)):
        await eventually(lambda: has_counted(bench, 39), "all but one counted")
    expected = everything_once(range(40))
    del expected["event-7"]
    assert await bench.counted() == expected
    assert await bench.dead_letters() == ["is the seventh"]


async def test_each_dead_letter_is_told_in_the_log(bench: Bench) -> None:
    """Whether it could not be read, was rejected, or could not be handled."""

    async def refuse_some(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await count(connection, messages)
        if wrong := [(message, "is the seventh") for message in messages if message.event_id == "event-7"]:
            raise Rejected(wrong)
        if any(message.event_id == "event-9" for message in messages):
            raise ValueError("ana@example.com")

    await bench.publish(range(12), partition=0)
    await bench.publish_unreadable(2)
    with capture_logs() as logs:
        async with running(bench.consumer(refuse_some)):
            await eventually(lambda: has_dead_letters(bench, 4), "all four are set aside")
    told = [line for line in logs if "dead letter" in line["event"]]
    assert sorted(
        (line["topic"], line["partition"], line["offset"], line["ce_id"], line["reason"]) for line in told
    ) == [
        ("orders", 0, 7, "event-7", "is the seventh"),
        ("orders", 0, 9, "event-9", "could not be handled: ValueError"),
        ("orders", 0, 12, "bad-0", "Invalid JSON: the value is not JSON"),
        ("orders", 0, 13, "bad-1", "Invalid JSON: the value is not JSON"),
    ]
    assert {line["log_level"] for line in told} == {"warning"} and "ana@" not in str(logs)


async def test_a_topic_that_stands_still_is_told_with_its_place(bench: Bench) -> None:
    async def refuse_all(_connection: AsyncConnection, _messages: Sequence[Message]) -> None:
        raise ValueError("ana@example.com")

    await bench.publish(range(5), partition=1)
    with capture_logs() as logs:
        async with running(bench.consumer(refuse_all)):

            async def stands_still() -> bool:
                return bool(await bench.stands_still())

            await eventually(stands_still, "the topic stands still")
    told = [line for line in logs if line["log_level"] == "error"]
    assert {(line["topic"], line["partition"], line["offset"], line["cause"]) for line in told} == {
        ("orders", 1, 0, "own_fault")
    }
    assert "ana@" not in str(logs)


async def test_a_database_in_trouble_is_never_the_messages_fault(bench: Bench) -> None:
    attempts = 0

    async def fail_thrice(connection: AsyncConnection, messages: Sequence[Message]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 3:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        await count(connection, messages)

    await bench.publish(range(30))
    async with running(bench.consumer(fail_thrice)):
        await eventually(lambda: has_counted(bench, 30), "counted after the database came back")
    assert attempts > 3
    assert await bench.counted() == everything_once(range(30))
    assert await bench.dead_letters() == []


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0


async def test_a_replica_at_work_while_we_look_is_not_taken_for_another_cluster(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.publish(range(10), partition=0)
    end_offsets = AIOKafkaConsumer.end_offsets
    first = TopicPartition("orders", 0)

    async def while_a_replica_continues(
        kafka: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = await end_offsets(kafka, partitions)
        if len(partitions) > 1:
            await bench.publish(range(10, 15), partition=0)
            async with transaction(bench.engine) as connection:
                await positions.introduce(connection, CONSUMER, {first: 0})
                now = await positions.load(connection, CONSUMER)
                if now[first] == 0:
                    await positions.advance(connection, CONSUMER, expected={first: 0}, following={first: 15})
        return ends

    monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", while_a_replica_continues)
    async with running(bench.consumer()):
        await bench.publish(range(20, 25), partition=0)
        await eventually(lambda: has_counted(bench, 5), "it continues behind the replica")


async def has_counted(bench: Bench, number: int) -> bool:
    return len(await bench.counted()) >= number


async def has_dead_letters(bench: Bench, number: int) -> bool:
    return len(await bench.dead_letters()) >= number


async def pull_kafka_offsets_back(bench: Bench) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bench.settings.kafka_bootstrap_servers,
        group_id=bench.settings.topic(f"hearback.{CONSUMER}"),
        enable_auto_commit=False,
    )
    await consumer.start()
    consumer.assign([TopicPartition(bench.topic, partition) for partition in range(6)])
    await consumer.commit({TopicPartition(bench.topic, partition): 0 for partition in range(6)})
    await consumer.stop()


async def end_sessions_in_transaction(bench: Bench) -> None:
    async with bench.engine.connect() as connection:
        await connection.execute(
            text(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND state = 'idle in transaction' AND pid <> pg_backend_pid()
                """
            )
        )


async def read_one(bench: Bench, topic: str) -> ConsumerRecord[Any, Any]:
    return (await read_some(bench, topic, 1))[0]


async def read_some(bench: Bench, topic: str, number: int) -> list[ConsumerRecord[Any, Any]]:
    consumer = AIOKafkaConsumer(
        bench.settings.topic(topic),
        bootstrap_servers=bench.settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        return [await asyncio.wait_for(consumer.getone(), 20) for _ in range(number)]
    finally:
        await consumer.stop()
