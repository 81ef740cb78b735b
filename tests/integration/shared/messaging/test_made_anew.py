"""A topic that was deleted and made again is another one: it is read from its beginning, however far it has grown."""

from collections.abc import Iterable
from functools import partial

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY
from sqlalchemy import text

from shared.contracts.topics import ORDERS
from shared.health import Health
from shared.messaging import consumer as consumer_module
from shared.messaging import member as member_module
from shared.messaging.topics import ensure_topics
from tests.integration.shared.conftest import CONSUMER, Bench, running
from tests.kit.eventually import eventually


def made_anew() -> float:
    return REGISTRY.get_sample_value("hearback_topics_made_anew_total", {"topic": "orders"}) or 0


async def make_anew(bench: Bench) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([bench.topic])
        await eventually(lambda: _is_gone(admin, bench.topic), "the topic to be deleted")
    finally:
        await admin.close()

    async def make() -> bool:
        try:
            await ensure_topics(bench.settings, [ORDERS])
        except KafkaError:
            return False
        return True

    await eventually(make, "the topic to be made again")


async def _is_gone(admin: AIOKafkaAdminClient, topic: str) -> bool:
    return topic not in await admin.list_topics()


async def handled(bench: Bench, numbers: Iterable[int]) -> bool:
    return {f"event-{number}" for number in numbers} <= (await bench.counted()).keys()


@pytest.mark.parametrize("grown", [3, 30])
async def test_it_is_read_from_its_beginning(bench: Bench, grown: int) -> None:
    await bench.publish(range(10), partition=0)
    async with running(bench.consumer()):
        await eventually(lambda: handled(bench, range(10)), "the records are handled")
    await make_anew(bench)
    before, new = made_anew(), range(100, 100 + grown)
    await bench.publish(new, partition=0)
    for number in (200, 201):
        async with running(bench.consumer()):
            await bench.publish([number], partition=0)
            await eventually(partial(handled, bench, [*new, number]), "all of the new topic is handled")
    assert set((await bench.counted()).values()) == {1}
    assert made_anew() == before + 1
    assert await bench.stands_still() == []


async def test_it_is_noticed_while_it_is_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (consumer_module, member_module):
        monkeypatch.setattr(module, "LOOK_AT_TOPICS_SECONDS", 0.2)
    await bench.publish(range(10), partition=0)
    async with running(bench.consumer()):
        await eventually(lambda: handled(bench, range(10)), "the records are handled")
        await make_anew(bench)
        await bench.publish(range(100, 130), partition=0)
        await eventually(lambda: handled(bench, range(100, 130)), "all of the new topic is handled", within=60)


async def test_another_cluster_is_not_taken_for_a_topic_made_anew(bench: Bench) -> None:
    await bench.publish(range(10), partition=0)
    async with running(bench.consumer()):
        await eventually(lambda: handled(bench, range(10)), "the records are handled")

    async def set_cluster(name: str) -> None:
        async with bench.engine.begin() as connection:
            await connection.execute(text("UPDATE consumer_positions SET cluster_id = :name"), {"name": name})

    async with bench.engine.connect() as connection:
        ours = (await connection.execute(text("SELECT min(cluster_id) FROM consumer_positions"))).scalar_one()
    await bench.publish(range(10, 20), partition=0)
    await set_cluster("elsewhere")
    health = Health()
    health.started = True
    async with running(bench.consumer(health=health)):

        async def told() -> str:
            return (await health.obstacles()).get(f"{CONSUMER} consumer: orders", "")

        assert "another cluster" in await eventually(told, "readiness tells", wanted=lambda sentence: bool(sentence))
    assert not await handled(bench, [10])
    await set_cluster(ours)
    async with running(bench.consumer()):
        await eventually(lambda: handled(bench, range(10, 20)), "it goes on at the right one")
    assert set((await bench.counted()).values()) == {1}
    assert await bench.stands_still() == []
