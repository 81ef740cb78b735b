"""What comes in from Kafka, what goes out to it, and what is removed in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy import text

from services.collector.handlers.sends import Handlers
from services.collector.repository import sends as repository
from services.collector.wiring import prune_sends
from shared.contracts import campaigns, identity, sends, topics
from shared.contracts.cloudevents import write
from shared.contracts.events import Event
from shared.contracts.topics import CONSUMED_BY
from shared.messaging.consumer import Consumer
from shared.messaging.topics import ensure_topics
from tests.integration.collector.kit import NOON, Collector, campaign, eventually, survey


@asynccontextmanager
async def working(collector: Collector, *, publishing: bool = True) -> AsyncIterator[None]:
    """The collector's consumer, and its relay if it is publishing."""
    runtime = collector.runtime
    consumer = Consumer(
        "collector",
        CONSUMED_BY["collector"],
        Handlers(runtime.settings.secret.get_secret_value(), runtime.outbox).by_topic,
        engine=runtime.engine,
        settings=runtime.settings,
        health=runtime.health,
        wake_relay=runtime.relay.wake,
    )
    stop = asyncio.Event()
    tasks = [asyncio.create_task(consumer.run(stop))]
    if publishing:
        tasks.append(asyncio.create_task(runtime.relay.run(stop)))
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def publish(collector: Collector, *events: Event) -> None:
    settings = collector.runtime.settings
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await producer.start()
    try:
        for event in events:
            headers, value = write(event, "/test")
            await producer.send_and_wait(settings.topic(event.topic), value, key=event.key.encode(), headers=headers)
    finally:
        await producer.stop()


def sent_event(send_id: str) -> Event:
    return Event(
        topic=sends.TOPIC, key="c-42", event_id=f"sent-{send_id}", type=sends.SENT, time=NOON, body=survey(send_id)
    )


async def test_from_a_send_on_kafka_to_an_answer_on_kafka(collector: Collector, topic_prefix: str) -> None:
    settings = collector.runtime.settings
    settings.topic_prefix = topic_prefix
    await ensure_topics(settings, [topics.CAMPAIGNS, topics.SENDS, topics.ANSWERS, topics.PREFERENCES])
    page = collector.page()
    assert (await collector.client.get(page)).status_code == 503
    async with working(collector):
        await publish(
            collector,
            campaigns.event(campaign(), at=NOON),
            sent_event("s-1"),
            sent_event("s-1"),
        )

        async def known() -> bool:
            return (await collector.client.get(page)).status_code == 200

        await eventually(known, "the survey is known")
        accepted = (await collector.client.post(page, json={"score": 4, "comment": "tarde demais"})).json()

        async def published() -> bool:
            return await collector.count("outbox") == 0

        await eventually(published, "the outbox is empty")
    consumer = AIOKafkaConsumer(
        settings.topic(topics.ANSWERS.name),
        bootstrap_servers=settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            record = await consumer.getone()
    finally:
        await consumer.stop()
    body = orjson.loads(record.value or b"")
    assert record.key == accepted["answer_id"].encode() == identity.answer_id("s-1").encode()
    assert (body["score"], body["comment"], body["revision"]) == (4, "tarde demais", 1)
    headers = dict(record.headers)
    assert headers["ce_type"] == b"answer.recorded"
    assert headers["ce_id"].decode() == identity.event_id("answer.recorded", accepted["answer_id"], 1)


async def test_an_answer_is_taken_while_nothing_can_be_published(collector: Collector) -> None:
    """No relay runs, as when no broker is there: what was acknowledged waits in the outbox."""
    page = await collector.send()
    assert (await collector.client.post(page, json={"score": 4})).status_code == 202
    assert (await collector.post_answer(answer_id="a-1", score=9)).status_code == 202
    assert [event.type for event in await collector.outbox()] == ["answer.recorded", "answer.recorded"]


@asynccontextmanager
async def broken(collector: Collector, breaking: str, mending: str) -> AsyncIterator[None]:
    async with collector.runtime.transaction() as connection:
        await connection.execute(text(breaking))
    try:
        yield
    finally:
        async with collector.runtime.transaction() as connection:
            await connection.execute(text(mending))


async def test_a_failing_outbox_acknowledges_nothing(collector: Collector) -> None:
    """State and event are one transaction: an answer without its event must not exist."""
    page = await collector.send()
    async with broken(collector, "ALTER TABLE outbox RENAME TO away", "ALTER TABLE away RENAME TO outbox"):
        assert (await collector.client.post(page, json={"score": 4})).status_code == 503
        assert (await collector.client.post(page, data={"score": "4"})).status_code == 503
        assert (await collector.post_answer(score=4)).status_code == 503
        assert (await collector.client.post(collector.unsubscribe_page())).status_code == 503
        assert (await collector.erase("c-42")).status_code == 503
    assert await collector.count("answers") == await collector.count("preferences") == 0
    assert (await collector.client.get(page)).status_code == 200


async def test_a_database_in_trouble_is_a_page_not_a_stack_trace(collector: Collector) -> None:
    page = await collector.send()
    async with broken(collector, "ALTER TABLE sends RENAME TO away", "ALTER TABLE away RENAME TO sends"):
        for response in (await collector.client.get(page), await collector.client.post(page, data={"score": "4"})):
            assert response.status_code == 503
            assert "Something went wrong on our side" in response.text
            assert "Traceback" not in response.text


async def test_the_same_batch_twice_changes_nothing(collector: Collector) -> None:
    for _ in range(2):
        await collector.consume(campaign(), survey(), survey("s-2"), survey())
    assert await collector.count("sends") == 2
    assert await collector.count("campaigns") == 1


async def test_long_closed_surveys_are_removed_in_bounded_steps(collector: Collector) -> None:
    for number in range(7):
        await collector.send(f"s-{number}")
    await collector.send("s-young", expires_at=NOON + timedelta(days=31))
    await collector.client.post(collector.page("s-0"), json={"score": 4})
    collector.clock.moment = NOON + timedelta(days=30 + 90)
    assert await prune_sends(collector.runtime) is False
    assert await collector.count("sends") == 8
    collector.clock.forward(seconds=1)
    rounds = 1
    while await prune_sends(collector.runtime):
        rounds += 1
    assert (rounds, await collector.count("sends")) == (3, 1)
    assert await collector.count("answers") == 1


async def test_removing_walks_the_index(collector: Collector) -> None:
    async with collector.runtime.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO sends"
                " (send_id, campaign, campaign_version, channel, locale, segments, sent_at, expires_at)"
                " SELECT n::text, 'c', 1, 'email', 'en', '{}', now(), now() + n * interval '1 hour'"
                " FROM generate_series(1, 20000) AS n"
            )
        )
        await connection.execute(text("ANALYZE sends"))
        plan = await connection.execute(
            text("EXPLAIN " + repository.PRUNE_SENDS.text), {"before": NOON + timedelta(days=365), "limit": 100}
        )
        assert "sends_by_expiry" in "\n".join(plan.scalars())
