"""A relay that had trouble leaves nothing running, and everything is published when the trouble is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from deploy.local.jars import fetch_jars, read_lock
from deploy.local.kafka import KafkaNode
from deploy.local.ports import HOST, free_ports
from deploy.local.supervisor import Supervisor
from shared import metrics
from shared.contracts.topics import ORDERS
from shared.health import Health
from shared.messaging import publisher
from shared.messaging import relay as relay_module
from shared.messaging.relay import Relay
from shared.messaging.topics import ensure_topics
from tests.integration.shared.conftest import Bench, running
from tests.kit.eventually import eventually, until
from tests.kit.proxy import Proxy, reroute
from tests.kit.relays import is_empty, last_of_each_key, put

OUTAGES = 4


@asynccontextmanager
async def behind_a_network(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Relay, Proxy]]:
    async with Proxy(bench.settings.kafka_bootstrap_servers) as network:
        reroute(monkeypatch, {"hearback-test": network})
        yield Relay(bench.settings, Health(), "test"), network


def failures() -> float:
    return float(metrics.backend_retries.labels(Relay.name)._value.get())


def client_sockets(address: tuple[str, int]) -> list[str]:
    found = psutil.Process().net_connections("tcp")
    return [f"{one.laddr} {one.status}" for one in found if one.raddr and tuple(one.raddr) == tuple(address)]


async def test_outages_leave_no_task_and_no_socket(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is cut while records are sent, and while the relay connects; each limit is exceeded several times."""
    monkeypatch.setattr(relay_module, "REQUEST_MILLISECONDS", 200)
    monkeypatch.setattr(relay_module, "OPEN_SECONDS", 0.4)
    monkeypatch.setattr(publisher, "SEND_SECONDS", 0.4)
    async with behind_a_network(bench, monkeypatch) as (relay, network):
        before = asyncio.all_tasks()
        async with running(relay):
            for number in range(OUTAGES):
                await eventually(lambda: is_empty(bench.engine), "the outbox to be empty", every=0.01)
                network.cut()
                failed = failures()
                await put(bench.engine, [(f"k{number}", f"{key}") for key in range(500)])
                relay.wake()
                await until(lambda failed=failed: failures() > failed + 2, "the relay to fail three times")  # type: ignore[misc]
                await network.heal()
        left = asyncio.all_tasks() - before - network.tasks
        assert not left, [repr(task.get_coro()) for task in left]
        await until(
            lambda: not client_sockets(network.address), lambda: f"sockets to close: {client_sockets(network.address)}"
        )
    assert await last_of_each_key(bench.settings) == {f"k{number}": "499" for number in range(OUTAGES)}


@pytest.mark.parametrize("seconds", [17, pytest.param(60, marks=pytest.mark.slow)])
async def test_an_outage_longer_than_every_limit(bench: Bench, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    async with behind_a_network(bench, monkeypatch) as (relay, network):
        async with running(relay):
            await put(bench.engine, [("k", "before")])
            await eventually(lambda: is_empty(bench.engine), "the first record to be published")
            network.cut()
            await put(bench.engine, [("k", "during")])
            relay.wake()
            await asyncio.sleep(seconds)  # the outage: only time passes every limit
            assert len(client_sockets(network.address)) <= 2, client_sockets(network.address)
            await network.heal()
            await put(bench.engine, [("k", "after")])
            await eventually(lambda: is_empty(bench.engine), "the outbox to be empty", within=20)
        await until(
            lambda: not client_sockets(network.address), lambda: f"sockets to close: {client_sockets(network.address)}"
        )
    assert await last_of_each_key(bench.settings) == {"k": "after"}


@pytest.mark.slow
async def test_a_broker_that_is_stopped_for_a_minute(bench: Bench, tmp_path: Path) -> None:
    """A broker of the test's own goes away in the middle of sending, and comes back with what it had."""
    before = asyncio.all_tasks()
    jars, (port, controller_port) = await fetch_jars(read_lock()), free_ports(2)
    node = KafkaNode(folder=tmp_path / "kafka", port=port, controller_port=controller_port)
    await node.prepare(jars)
    supervisor = Supervisor(tmp_path / "processes.json")
    settings = bench.settings.model_copy(update={"kafka_bootstrap_servers": node.bootstrap_servers})
    newest: dict[str, str] = {}

    async def write(first: int, count: int) -> None:
        records = [(f"k{number % 50}", str(number)) for number in range(first, first + count)]
        newest.update(records)
        await put(bench.engine, records)

    try:
        await supervisor.start(node.program(jars, tmp_path / "kafka.log"))
        await ensure_topics(settings, [ORDERS])
        relay = Relay(settings, Health(), "test")
        async with running(relay):
            await write(0, 5_000)
            relay.wake()
            await until(lambda: bool(client_sockets((HOST, port))), "the relay to connect")
            program = await supervisor.stop("kafka")
            assert not await is_empty(bench.engine), "nothing waited for the broker"
            for second in range(60):
                await write(5_000 + 10 * second, 10)
                relay.wake()
                await asyncio.sleep(1)  # the outage: only time passes every limit
            assert len(client_sockets((HOST, port))) <= 2
            await supervisor.start(program)
            await write(6_000, 10)
            await eventually(lambda: is_empty(bench.engine), "the outbox to be empty", within=60)
        await until(lambda: not client_sockets((HOST, port)), "the relay's sockets to close")
        assert await last_of_each_key(settings) == newest
    finally:
        await supervisor.stop_all()

    def left() -> list[str]:
        return [repr(task.get_coro()) for task in asyncio.all_tasks() - before]

    await until(lambda: not left(), lambda: f"tasks to end: {left()}")
