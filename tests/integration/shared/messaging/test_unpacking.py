"""Whatever cannot be unpacked costs its record, or its batch: what is before and behind it is handled."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from shared.contracts.cloudevents import write
from shared.health import Health
from shared.messaging.broker import Broker, Fetched
from shared.messaging.repository import dead_letters
from shared.messaging.unpacking import unpack
from tests.conftest import SESSION
from tests.integration.shared.conftest import CONSUMER, Bench, order_event, running
from tests.integration.shared.messaging.test_consumer import read_one
from tests.kit import raw_records
from tests.kit.eventually import eventually
from tests.kit.raw_records import Raw, batch_of


def raw(number: int, *headers: tuple[str, bytes]) -> Raw:
    written, value = write(order_event(number), "/shop")
    return Raw(value, [*written, *headers])


async def publish(bench: Bench, batch: bytes, partition: int = 0) -> None:
    await raw_records.publish(bench.settings.kafka_bootstrap_servers, bench.topic, partition, batch)


async def counted(bench: Bench, numbers: Sequence[int]) -> bool:
    return {f"event-{number}" for number in numbers} <= (await bench.counted()).keys()


async def test_a_header_name_that_is_not_utf_8_costs_only_its_record(bench: Bench) -> None:
    await bench.publish(range(5), partition=0)
    odd = batch_of(raw(5), raw(6, ("bad-name", b"x")), raw(7), replace=(b"bad-name", b"b\xff\xfe-name"))
    await publish(bench, odd)
    await bench.publish(range(8, 12), partition=0)
    await bench.publish(range(20, 25), partition=1)
    everything_else = [*range(6), *range(7, 12), *range(20, 25)]
    async with running(bench.consumer()), running(bench.relay()):
        await eventually(partial(counted, bench, everything_else), "all the others are handled", within=20)
        letter = await read_one(bench, f"orders.{CONSUMER}.dlq")
    assert await bench.counted() == {f"event-{number}": 1 for number in everything_else}
    assert await bench.dead_letters() == ["the name of a header is not UTF-8"]
    told = dict(letter.headers)
    assert (told["hearback-offset"], letter.value) == (b"6", raw(6).value)
    assert told["b\\xff\\xfe-name"] == b"x"
    assert told["ce_id"] == b"event-6"


async def test_a_broker_that_does_not_respond_just_then_is_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, failures = Broker.fetch, [KafkaConnectionError("away")]

    async def fails_once(self: Broker, partition: TopicPartition, offset: int, *, most_bytes: int) -> Fetched:
        if failures:
            raise failures.pop()
        return await fetch(self, partition, offset, most_bytes=most_bytes)

    monkeypatch.setattr(Broker, "fetch", fails_once)
    await publish(bench, batch_of(raw(0, ("bad-name", b"x")), replace=(b"bad-name", b"b\xff\xfe-name")))
    await bench.publish([1], partition=0)
    async with running(bench.consumer()):
        await eventually(partial(counted, bench, [1]), "what is behind it is handled")
    assert len(await bench.dead_letters()) == 1 and not failures


async def test_a_fetch_full_of_such_records_stands_still_at_the_limit_and_nowhere_else(bench: Bench) -> None:
    for number in range(8):
        await publish(bench, batch_of(raw(number, ("bad-name", b"x")), replace=(b"bad-name", b"b\xff\xfe-name")))
    await bench.publish([100], partition=0)
    await bench.publish([101], partition=1)
    async with running(bench.consumer()):
        await eventually(partial(counted, bench, [101]), "another partition goes on")
        await eventually(bench.stands_still, "this one stands still")
        assert len(await bench.dead_letters()) == bench.settings.dead_letter_limit
        async with bench.engine.begin() as connection:
            await dead_letters.grant(connection, CONSUMER, topic="orders", records=10)
        await eventually(partial(counted, bench, [100]), "it goes on")
    assert len(await bench.dead_letters()) == 8


async def test_a_batch_damaged_on_disk_is_one_dead_letter_after_some_tries(
    bench: Bench, pytestconfig: pytest.Config
) -> None:
    await bench.publish(range(3), partition=0)
    await publish(bench, batch_of(*(raw(number) for number in range(3, 8))))
    await bench.publish(range(8, 10), partition=0)
    await bench.publish_preferences([1])
    damage(log_of(bench, pytestconfig), b"event-5", b"event-X")
    health = Health()
    health.started = True
    async with running(bench.consumer(health=health)), running(bench.relay()):
        await eventually(partial(counted, bench, range(3)), "what is before it is handled")
        await eventually(lambda: waits(health), "it is fetched again before anything is given up")
        assert await bench.dead_letters() == []
        await eventually(partial(counted, bench, range(8, 10)), "what is behind it is handled", within=40)
        letter = await read_one(bench, f"orders.{CONSUMER}.dlq")
    assert await bench.dead_letters() == ["the batch fails its checksum; it holds up to 5 records"]
    told = dict(letter.headers)
    assert (told["hearback-offset"], told["hearback-records"]) == (b"3", b"5")
    assert b"event-X" in letter.value
    assert not await counted(bench, [3])


async def test_aborted_records_beside_a_bad_one_stay_unread(bench: Bench) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bench.settings.kafka_bootstrap_servers, transactional_id=bench.settings.topic("shop")
    )
    await producer.start()
    for number, aborted in ((2, True), (3, False)):
        await producer.begin_transaction()
        headers, value = write(order_event(number), "/shop")
        await producer.send_and_wait(bench.topic, value=value, headers=headers, partition=0)
        await (producer.abort_transaction() if aborted else producer.commit_transaction())
    await producer.stop()
    await publish(bench, batch_of(raw(0, ("bad-name", b"x")), raw(1), replace=(b"bad-name", b"b\xff\xfe-name")))
    broker = Broker(bench.settings, [bench.topic], client="test")
    end = TopicPartition(bench.topic, 0)
    await eventually(broker.ends, "the transactions to have ended", wanted=lambda ends: ends[end] == 6)
    await broker.close()
    async with running(bench.consumer()):
        await eventually(partial(counted, bench, [1, 3]), "what was committed is handled")
    assert await bench.counted() == {"event-1": 1, "event-3": 1}


@pytest.mark.parametrize("codec", raw_records.CODECS)
def test_a_bad_record_in_a_compressed_batch_costs_only_itself(codec: str) -> None:
    headers = ("bad-name", b"x")
    odd = batch_of(raw(0), raw(1, headers), raw(2), replace=(b"bad-name", b"b\xff\xfe-name"), codec=codec)
    fetched = Fetched(data=odd, aborted=(), end=3)
    unpacked = unpack(TopicPartition("orders", 0), fetched, 0, most=10, give_up=False)
    assert [(record.value, record.fault is None) for record in unpacked.records] == [
        (raw(number).value, number != 1) for number in range(3)
    ]
    assert (unpacked.following, unpacked.corrupt) == (3, False)


async def waits(health: Health) -> bool:
    return any("cannot be unpacked" in sentence for sentence in (await health.obstacles()).values())


def log_of(bench: Bench, config: pytest.Config) -> Path:
    # No search through all folders: other tests' topics are deleted meanwhile.
    found = list(config.stash[SESSION].folder.glob(f"kafka/data/{bench.topic}-0/00000000000000000000.log"))
    if not found:
        pytest.skip("this Kafka's disk is out of reach")
    return found[0]


def damage(file: Path, old: bytes, new: bytes) -> None:
    """Changes bytes on Kafka's disk, which it sends as they are."""
    content = file.read_bytes()
    assert content.count(old) >= 1
    with file.open("r+b") as log:
        log.seek(content.index(old))
        log.write(new)
