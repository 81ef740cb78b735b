"""One relay has the turn, for as long as it is healthy; the others wake it, and watch the outbox with it."""

import asyncio

import pytest
from sqlalchemy import text

from shared import metrics
from shared.contracts.topics import ORDERS
from shared.health import Health
from shared.messaging import relay as relay_module
from shared.messaging.records import Record
from shared.messaging.relay import Relay
from shared.messaging.repository import outbox
from shared.messaging.turn import Turn
from shared.persistence.transaction import transaction
from tests.integration.shared.conftest import Bench, running
from tests.kit.eventually import eventually, until
from tests.kit.proxy import Proxy, reroute
from tests.kit.relays import end_sessions, holder, is_empty, last_of_each_key, only_when_told, put


def age() -> float:
    return next(iter(metrics.outbox_age_seconds.collect())).samples[0].value


def epoch(relay: Relay) -> int:
    """-1 while a producer is being opened."""
    return -1 if relay._producer is None else int(relay._producer._txn_manager.producer_epoch)


async def turn_of(bench: Bench, name: str) -> None:
    await eventually(lambda: holder(bench.engine), f"{name} to take the turn", wanted=lambda found: found == name)


async def test_what_another_process_commits_is_published_at_once(bench: Bench) -> None:
    """Not when the relay that has the turn looks again by itself, once a second."""
    first, second = (Relay(bench.settings, Health(), name) for name in ("first", "second"))
    async with running(first):
        await turn_of(bench, "first")
        async with running(second):
            took = []
            for number in range(20):
                began = asyncio.get_running_loop().time()
                await put(bench.engine, [("k", str(number))])
                second.wake()
                await eventually(lambda: is_empty(bench.engine), "it to be published", every=0.002)
                took.append(asyncio.get_running_loop().time() - began)
            assert sum(took) < 20 * 0.2, took
            assert await holder(bench.engine) == "first"


async def test_what_commits_after_later_ones_were_published_is_published_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two transactions overlap: the one that wrote first commits last. Nothing is found by starting over."""
    only_when_told(monkeypatch)
    relay = Relay(bench.settings, Health(), "only")
    records = [Record(topic=ORDERS.name, key=key, value=b"1", headers=()) for key in (b"slow", b"slower")]
    async with running(relay):
        await publish(bench, relay, "before")
        async with transaction(bench.engine) as slow, transaction(bench.engine) as slower:
            await outbox.put(slow, [records[0]])
            await outbox.put(slower, [records[1]])
            for number in range(5):
                await publish(bench, relay, f"quick-{number}")
        await publish(bench, relay, "after")
    keys = {"before", "slow", "slower", "after", *(f"quick-{number}" for number in range(5))}
    assert await last_of_each_key(bench.settings) == dict.fromkeys(keys, "1")


async def test_what_is_published_is_not_walked_over_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    only_when_told(monkeypatch)
    relay = Relay(bench.settings, Health(), "only")
    async with running(relay):
        for number in range(3):
            await publish(bench, relay, str(number))

        async def passed() -> bool:
            # Of whatever else is at work in this PostgreSQL, nothing may be older than what was published.
            await publish(bench, relay, "again")
            return relay._walk.next() >= 3

        await eventually(passed, "the walk to begin behind the first three")


async def publish(bench: Bench, relay: Relay, key: str) -> None:
    await put(bench.engine, [(key, "1")])
    relay.wake()
    await eventually(lambda: is_empty(bench.engine), f"{key} to be published", every=0.005)


async def test_a_turn_is_kept_however_many_batches_are_published(bench: Bench) -> None:
    """A new epoch at each batch would use them up."""
    turns = metrics.relay_turns._value.get()
    first, second = (Relay(bench.settings, Health(), name) for name in ("first", "second"))
    async with running(first), running(second):
        for number in range(30):
            await put(bench.engine, [("k", str(number))])
            first.wake()
            second.wake()
            await eventually(lambda: is_empty(bench.engine), "it to be published", every=0.002)
    assert metrics.relay_turns._value.get() - turns <= 2  # the second one may have taken it when the first had ended


async def test_a_relay_that_ends_passes_its_turn_on(bench: Bench) -> None:
    async with running(Relay(bench.settings, Health(), "second")):
        await turn_of(bench, "second")
        async with running(Relay(bench.settings, Health(), "first")):
            await end_sessions(bench.engine, "second")
            await eventually(lambda: holder(bench.engine), "somebody to take the turn", wanted=bool)
            await put(bench.engine, [("k", "1")])
            await eventually(lambda: is_empty(bench.engine), "it to be published")
        await turn_of(bench, "second")
        await put(bench.engine, [("k", "2")])
        await eventually(lambda: is_empty(bench.engine), "it to be published")
    assert await last_of_each_key(bench.settings) == {"k": "2"}


async def test_a_stalled_session_loses_the_turn(bench: Bench) -> None:
    """PostgreSQL ends it; a relay that works uses it at least once a second."""
    turn = Turn(bench.settings.database_url.get_secret_value(), name="test", wake=lambda: None)
    try:
        assert (await turn.attempt(wake=False)).taken
        limit = await turn.connection.scalar(text("SHOW idle_session_timeout"))
    finally:
        await turn.end()
    assert limit == "15s"


async def test_the_producer_is_renewed_from_time_to_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the broker would forget the transactional id of a relay that has its turn for a week."""
    monkeypatch.setattr(relay_module, "_PRODUCER_SECONDS", 0.0)
    relay = Relay(bench.settings, Health(), "test")
    newest = -1
    async with running(relay):
        for number in range(3):
            await put(bench.engine, [("k", str(number))])
            relay.wake()
            await eventually(lambda: is_empty(bench.engine), "it to be published")
            # Which round publishes it cannot be told from here: it may be one that had opened its producer before.
            await until(lambda: epoch(relay) > newest, lambda: f"an epoch above {newest}, not {epoch(relay)}")  # noqa: B023
            newest = epoch(relay)
    assert await last_of_each_key(bench.settings) == {"k": "2"}


async def test_the_age_of_the_outbox_is_known_to_relays_without_the_turn(bench: Bench) -> None:
    async with bench.engine.connect() as other:
        await other.execute(text("SELECT pg_advisory_lock(hashtextextended('hearback.relay.' || current_schema(), 0))"))
        await put(bench.engine, [("k", "1")])
        async with bench.engine.begin() as connection:
            await connection.execute(text("UPDATE outbox SET created_at = created_at - interval '1 hour'"))
        async with running(bench.relay()):
            await until(lambda: age() > 3_600, lambda: f"the age to be an hour, not {age()} s")
            seen = age()
            await until(lambda: age() > seen, "the age to grow")
            await other.rollback()
            await other.invalidate()
            await until(lambda: age() == 0, lambda: f"the age to be 0 when it is published, not {age()} s")


async def test_the_age_of_the_outbox_grows_while_the_broker_is_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(bench.settings.kafka_bootstrap_servers) as network:
        reroute(monkeypatch, {"hearback-test": network})
        network.cut()
        async with running(bench.relay()):
            await put(bench.engine, [("k", "1")])
            await until(lambda: age() > 0.5, lambda: f"the age to grow, not {age()} s")
            await network.heal()
            await until(lambda: age() == 0, lambda: f"the age to be 0 when it is published, not {age()} s")
