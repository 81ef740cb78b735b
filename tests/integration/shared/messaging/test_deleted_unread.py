"""Records that Kafka deleted before they were read are counted once, and transaction markers are not taken for any."""

from functools import partial

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from prometheus_client import REGISTRY

from shared.contracts.cloudevents import write
from shared.messaging.repository import dead_letters, positions
from tests.integration.shared.conftest import CONSUMER, Bench, order_event, running
from tests.integration.shared.messaging.test_unpacking import counted
from tests.kit.eventually import eventually


def lost() -> float:
    return REGISTRY.get_sample_value("hearback_lost_records_total", {"topic": "orders"}) or 0


async def delete_before(bench: Bench, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.settings.kafka_bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(bench.topic, 0): RecordsToDelete(before_offset=offset)})
    await admin.close()


async def position(bench: Bench) -> int:
    async with bench.engine.connect() as connection:
        return (await positions.load(connection, CONSUMER)).get(TopicPartition("orders", 0), 0)


async def test_transaction_markers_are_passed_and_never_counted_as_lost(bench: Bench) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bench.settings.kafka_bootstrap_servers, transactional_id=bench.settings.topic("shop")
    )
    await producer.start()
    for number in range(3):
        headers, value = write(order_event(number), "/shop")
        async with producer.transaction():
            await producer.send_and_wait(bench.topic, value=value, headers=headers, partition=0)
    await producer.stop()
    before = lost()
    async with running(bench.consumer()):
        await eventually(partial(counted, bench, range(3)), "the records are handled")
        await eventually(partial(position, bench), "the markers to be passed", wanted=lambda at: at == 6)
    await delete_before(bench, 6)
    for number in (10, 11):
        async with running(bench.consumer()):
            await bench.publish([number], partition=0)
            await eventually(partial(counted, bench, [number]), "it goes on after a restart")
    assert lost() == before


async def test_what_was_deleted_while_nobody_read_is_counted_once(bench: Bench) -> None:
    await bench.publish(range(10), partition=0)
    async with running(bench.consumer()):
        await eventually(partial(counted, bench, range(10)), "the records are handled")
    await bench.publish(range(10, 20), partition=0)
    await delete_before(bench, 17)
    before = lost()
    for number in (30, 31):
        async with running(bench.consumer()):
            await bench.publish([number], partition=0)
            await eventually(partial(counted, bench, [17, 18, 19, number]), "what is left is handled")
    assert lost() == before + 7


async def test_what_is_deleted_while_running_is_noticed(bench: Bench) -> None:
    await bench.publish_unreadable(bench.settings.dead_letter_limit + 1)
    await bench.publish(range(4), partition=0)
    before = lost()
    async with running(bench.consumer()):
        await eventually(bench.stands_still, "it stands still at the sixth record")
        await delete_before(bench, 8)
        async with bench.engine.begin() as connection:
            await dead_letters.grant(connection, CONSUMER, topic="orders", records=10)
        await eventually(partial(counted, bench, [2, 3]), "it goes on with what is left")
        assert lost() == before + 3
        assert await bench.stands_still() == []
