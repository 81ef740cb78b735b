"""What cannot be published is set aside and tried again; everything else goes on, and each key's order is kept."""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from sqlalchemy import text
from structlog.testing import capture_logs

from shared import metrics
from shared.contracts.topics import ANSWERS, ORDERS, followup_topic
from shared.health import Health
from shared.messaging import relay, set_aside
from shared.messaging.relay import Relay
from shared.messaging.topics import ensure_topics
from tests.integration.shared.conftest import Bench, running
from tests.kit.eventually import eventually, until
from tests.kit.proxy import Proxy, reroute
from tests.kit.relays import is_empty, only_when_told, put, wake
from tests.kit.relays import published as published_on

TOO_LARGE_FOR_THE_BROKER = "x" * 1_500_000
TOO_LARGE_FOR_US = "x" * 2_500_000
NOWHERE = followup_topic("nowhere")


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, "_LOOK_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(set_aside, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(set_aside, "_LONGEST_PAUSE_SECONDS", {True: 0.1, False: 0.1})
    only_when_told(monkeypatch)


@pytest_asyncio.fixture(loop_scope="session")
async def admin(bench: Bench) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bench.settings.kafka_bootstrap_servers)
    await client.start()
    yield client
    await client.close()


async def arrived(bench: Bench, expected: Sequence[tuple[str, str]], topic: str = ORDERS.name) -> None:
    """Keys and values, in this order where keys share a partition; large values by their size."""

    async def published() -> list[tuple[str, str]]:
        found = await published_on(bench.settings, topic)
        return sorted(((key, value if len(value) < 100 else str(len(value))) for key, value in found), key=_first)

    await wake(bench.engine)
    await eventually(published, f"{expected} to be published", wanted=lambda found: found == list(expected), within=15)


def _first(one: tuple[str, str]) -> str:
    return one[0]


async def waiting(bench: Bench) -> list[tuple[str, bool]]:
    """By key, in order: what is set aside, and whether it is at fault."""
    async with bench.engine.connect() as connection:
        rows = await connection.execute(text("SELECT key, tries FROM outbox_set_aside ORDER BY id"))
        return [(row.key.decode(), row.tries > 0) for row in rows]


async def test_a_record_that_cannot_be_published_stops_nobody_else(bench: Bench) -> None:
    async with running(bench.relay()):
        await put(bench.engine, [("a", "1"), ("b", TOO_LARGE_FOR_THE_BROKER), ("a", "2"), ("c", TOO_LARGE_FOR_US)])
        await put(bench.engine, [("a", "3")])
        await arrived(bench, [("a", "1"), ("a", "2"), ("a", "3")])
        await eventually(lambda: is_empty(bench.engine), "the outbox to be empty")
        await until(
            lambda: metrics.outbox_set_aside._value.get() == 2,
            lambda: f"2 to be counted, not {metrics.outbox_set_aside._value.get()}",
        )
    assert await waiting(bench) == [("b", True), ("c", True)]


async def test_what_follows_waits_and_comes_in_order_when_the_cause_is_gone(
    bench: Bench, admin: AIOKafkaAdminClient
) -> None:
    async with running(bench.relay()):
        await put(bench.engine, [("b", "1"), ("b", TOO_LARGE_FOR_THE_BROKER), ("b", "3"), ("a", "1")])
        await put(bench.engine, [("b", "4")])
        await arrived(bench, [("a", "1"), ("b", "1")])
        await eventually(
            lambda: waiting(bench),
            "the others",
            wanted=lambda found: found == [("b", True), ("b", False), ("b", False)],
        )
        larger = ConfigResource(
            ConfigResourceType.TOPIC, bench.settings.topic(ORDERS.name), {"max.message.bytes": "2000000"}
        )
        await admin.alter_configs([larger])
        await put(bench.engine, [("b", "5")])
        await arrived(bench, [("a", "1"), *(("b", value) for value in ("1", "1500000", "3", "4", "5"))])
    assert await waiting(bench) == []


async def test_a_topic_that_does_not_exist_stops_no_other_and_its_events_come_in_order_when_it_does(
    bench: Bench,
) -> None:
    async with running(bench.relay()):
        await put(bench.engine, [("a", "1"), ("b", "1"), ("a", "2")], topic=NOWHERE.name)
        await put(bench.engine, [("a", "1")])
        await arrived(bench, [("a", "1")])
        await put(bench.engine, [("a", "3")], topic=NOWHERE.name)
        await ensure_topics(bench.settings, [NOWHERE])
        await arrived(bench, [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")], NOWHERE.name)
    assert await waiting(bench) == []


async def test_on_a_compacted_topic_a_later_record_replaces_one_that_cannot_be_published(bench: Bench) -> None:
    """Such as the erasure of an answer; on other topics it waits for an operator."""
    await ensure_topics(bench.settings, [ANSWERS])
    async with running(bench.relay()):
        await put(bench.engine, [("k", TOO_LARGE_FOR_THE_BROKER), ("k", "erased")], topic=ANSWERS.name)
        await arrived(bench, [("k", "erased")], ANSWERS.name)
        await eventually(lambda: is_empty(bench.engine), "the outbox to be empty")
    assert await waiting(bench) == []


async def test_an_operator_is_told_once(bench: Bench) -> None:
    with capture_logs() as logs:
        async with running(bench.relay()):
            await put(bench.engine, [("someone@example.com", TOO_LARGE_FOR_THE_BROKER)])
            await wake(bench.engine)
            async with bench.engine.connect() as connection:

                async def tries() -> int:
                    await connection.rollback()
                    return (await connection.scalar(text("SELECT sum(tries) FROM outbox_set_aside"))) or 0

                await eventually(tries, "some more tries", wanted=lambda found: found > set_aside.TRIES + 2)
    assert [one["log_level"] for one in logs if one["log_level"] in ("warning", "error")] == ["warning", "error"]
    assert "MESSAGE_SIZE_TOO_LARGE" in str(logs)
    assert "someone" not in str(logs)


async def test_records_that_are_refused_use_up_no_epochs(bench: Bench) -> None:
    relay = bench.relay()
    async with running(relay):
        await put(bench.engine, [("a", "1")])
        await arrived(bench, [("a", "1")])
        assert relay._producer is not None
        epoch = relay._producer._txn_manager.producer_epoch
        for number in range(5):
            await put(bench.engine, [(f"b{number}", TOO_LARGE_FOR_THE_BROKER), ("a", f"{number + 2}")])
            await wake(bench.engine)
            await eventually(lambda: is_empty(bench.engine), "the outbox to be empty")
        await arrived(bench, [("a", f"{number + 1}") for number in range(6)])
        assert relay._producer is not None
        assert relay._producer._txn_manager.producer_epoch == epoch


async def test_a_broker_that_cannot_be_asked_does_not_say_that_a_topic_is_missing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each try during an outage would double the pause after it."""
    monkeypatch.setattr(relay, "REQUEST_MILLISECONDS", 200)
    async with Proxy(bench.settings.kafka_bootstrap_servers) as network:
        reroute(monkeypatch, {"hearback-test": network})
        async with running(Relay(bench.settings, Health(), "test")):
            await put(bench.engine, [("a", "1")], topic=NOWHERE.name)
            await eventually(lambda: tries(bench), "a try", wanted=lambda found: found > 1)
            network.cut()
            failed = failures()
            await until(lambda: failures() > failed + 2, "the relay to have trouble")
            before = await tries(bench)
            await until(lambda: failures() > failed + 5, "the relay to have trouble again")
            assert await tries(bench) == before
            await network.heal()
            await eventually(lambda: tries(bench), "the next try", wanted=lambda found: found > before)


async def test_a_topic_is_asked_for_as_soon_as_the_broker_answers_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "REQUEST_MILLISECONDS", 200)
    async with Proxy(bench.settings.kafka_bootstrap_servers) as network:
        reroute(monkeypatch, {"hearback-test": network})
        async with running(Relay(bench.settings, Health(), "test")):
            await put(bench.engine, [("a", "1")], topic=NOWHERE.name)
            await put(bench.engine, [("b", TOO_LARGE_FOR_US)])
            await eventually(lambda: waiting(bench), "both", wanted=lambda found: len(found) == 2)
            network.cut()
            await postpone(bench, seconds=600)
            before = await tries(bench)
            await ensure_topics(bench.settings, [NOWHERE])
            failed = failures()
            await put(bench.engine, [("c", "1")])
            await until(lambda: failures() > failed, "the relay to notice")
            await network.heal()
            await arrived(bench, [("a", "1")], NOWHERE.name)
        # What is too large still is, whatever the broker.
        assert await waiting(bench) == [("b", True)]
        assert await tries(bench) < before


def failures() -> float:
    return float(metrics.backend_retries.labels(Relay.name)._value.get())


async def tries(bench: Bench) -> int:
    async with bench.engine.connect() as connection:
        return (await connection.scalar(text("SELECT sum(tries) FROM outbox_set_aside"))) or 0


async def postpone(bench: Bench, *, seconds: float) -> None:
    """As after many tries in vain."""
    async with bench.engine.begin() as connection:
        await connection.execute(
            text("UPDATE outbox_set_aside SET retry_at = now() + make_interval(secs => :seconds)"), {"seconds": seconds}
        )
