"""After a relay has taken the turn, no earlier one writes: the last record of each key stays the newest."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from aiokafka.errors import ProducerFenced

from shared.contracts.topics import ORDERS
from shared.health import Health
from shared.messaging.fenced_producer import FencedProducer, TooLate, boot_seconds
from shared.messaging.relay import Relay
from tests.integration.shared.conftest import Bench, running
from tests.kit.eventually import eventually, until
from tests.kit.processes import process
from tests.kit.proxy import Proxy, reroute
from tests.kit.relays import end_sessions, holder, is_empty, last_of_each_key, put, wake

TAKEOVERS = 50
STALLS = 20


@dataclass
class Half:
    """One of two relays of a schema, behind a network of its own."""

    name: str
    relay: Relay
    network: Proxy


@asynccontextmanager
async def two_relays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Half]]:
    async with AsyncExitStack() as opened:
        halves = []
        for name in ("a", "b"):
            network = await opened.enter_async_context(Proxy(bench.settings.kafka_bootstrap_servers))
            halves.append(Half(name, Relay(bench.settings, Health(), name), network))
        reroute(monkeypatch, {f"hearback-{half.name}": half.network for half in halves})
        for half in halves:
            await opened.enter_async_context(running(half.relay))
        yield halves


async def test_what_an_earlier_relay_had_on_its_way_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when an answer is recorded and then erased, and the record of the answer arrives last."""
    async with two_relays(bench, monkeypatch) as halves:
        for number in range(TAKEOVERS):
            key, recorded, erased = f"k{number}", f"{number}: recorded;", f"{number}: erased;"
            for half in halves:
                half.network.hold(recorded.encode())
            await put(bench.engine, [(key, recorded)])
            await wake(bench.engine)
            await until(lambda: any(half.network.holding for half in halves), "a record on its way", every=0.005)
            first, second = sorted(halves, key=lambda half: not half.network.holding)
            await second.network.heal()
            await end_sessions(bench.engine, first.name)
            await eventually(lambda: is_empty(bench.engine), "the other relay to publish it", every=0.01)
            await put(bench.engine, [(key, erased)])
            await wake(bench.engine)
            await eventually(lambda: is_empty(bench.engine), "the next record to be published", every=0.01)
            await first.network.heal()
    last = await last_of_each_key(bench.settings)
    stale = [key for key, value in last.items() if "erased" not in value]
    assert len(last) == TAKEOVERS
    assert not stale, f"{len(stale)} of {TAKEOVERS} keys end with the older record"


async def test_a_process_that_was_stalled_wakes_up_to_write_nothing(bench: Bench) -> None:
    environment = {
        "HEARBACK_KAFKA_BOOTSTRAP_SERVERS": bench.settings.kafka_bootstrap_servers,
        "HEARBACK_DATABASE_URL": bench.settings.database_url.get_secret_value(),
        "HEARBACK_TOPIC_PREFIX": bench.settings.topic_prefix,
        "HEARBACK_SECRET": bench.settings.secret.get_secret_value(),
        "HEARBACK_LOG_LEVEL": "error",
    }
    pauses = random.Random(4)
    async with (
        process("tests.kit.relay_process", "a", environment=environment) as a,
        process("tests.kit.relay_process", "b", environment=environment) as b,
    ):
        pids = {"a": a.pid, "b": b.pid}
        newest: dict[str, str] = {}
        for number in range(STALLS):
            name = await eventually(lambda: holder(bench.engine), "a relay to take the turn", wanted=pids.__contains__)
            assert name is not None
            older = [(f"{number}-{key}", f"older {revision}") for revision in range(20) for key in range(50)]
            newer = [(f"{number}-{key}", "newest") for key in range(50)]
            await put(bench.engine, older)
            await wake(bench.engine)
            await asyncio.sleep(pauses.uniform(0, 0.03))  # only time can tell: no event marks every moment
            os.kill(pids[name], signal.SIGSTOP)
            try:
                await end_sessions(bench.engine, name)
                await put(bench.engine, newer)
                await eventually(lambda: is_empty(bench.engine), "the other relay to publish", every=0.01)
            finally:
                os.kill(pids[name], signal.SIGCONT)
            newest |= dict(newer)
        # Both are awake again: the one that has the turn is stalled by ending its session, so the other must take it.
        for _ in pids:
            name = await eventually(lambda: holder(bench.engine), "a relay to take the turn", wanted=bool)
            assert name is not None
            await end_sessions(bench.engine, name)
    assert await last_of_each_key(bench.settings) == newest


@asynccontextmanager
async def fenced_producer(bench: Bench) -> AsyncIterator[FencedProducer]:
    producer = FencedProducer(
        transactional_id=f"{bench.settings.topic_prefix}test",
        request_timeout_ms=5_000,
        max_request_size=2_000_000,
        bootstrap_servers=bench.settings.kafka_bootstrap_servers,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.abandon()


async def test_an_earlier_producer_is_fenced_where_a_later_one_has_written(bench: Bench) -> None:
    topic = bench.settings.topic(ORDERS.name)
    async with fenced_producer(bench) as earlier:
        await earlier.send_and_wait(topic, b"1", key=b"k")
        async with fenced_producer(bench) as later:
            await later.send_and_wait(topic, b"2", key=b"k")
            with pytest.raises(ProducerFenced):
                await earlier.send_and_wait(topic, b"3", key=b"k")
    assert await last_of_each_key(bench.settings) == {"k": "2"}


async def test_what_was_read_too_long_ago_is_not_sent(bench: Bench) -> None:
    topic = bench.settings.topic(ORDERS.name)
    async with fenced_producer(bench) as producer:
        producer.send_until(boot_seconds() + 60)
        await producer.send_and_wait(topic, b"in time", key=b"k")
        producer.send_until(boot_seconds() - 0.001)
        with pytest.raises(TooLate):
            await producer.send_and_wait(topic, b"too late", key=b"k")
    assert await last_of_each_key(bench.settings) == {"k": "in time"}


async def test_nothing_follows_a_batch_that_was_refused(bench: Bench) -> None:
    """A partition that has not seen a producer before would accept a later sequence number, and break the order."""
    topic = bench.settings.topic(ORDERS.name)
    async with fenced_producer(bench) as producer:
        refused = await producer.send(topic, b"x" * 1_040_000, key=b"k", headers=[("h", b"y" * 10_000)])
        following = await producer.send(topic, b"smaller", key=b"k")
        results = await asyncio.gather(refused, following, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["MessageSizeTooLargeError", "OutOfOrderSequenceNumber"]
    assert await last_of_each_key(bench.settings) == {}
