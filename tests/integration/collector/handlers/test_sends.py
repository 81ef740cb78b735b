"""What is consumed from Kafka, and what is published to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.collector.wiring import build
from shared.contracts import campaigns, identity, sends, topics
from shared.contracts.cloudevents import write
from shared.contracts.events import Event
from shared.contracts.topics import CONSUMED_BY
from shared.messaging.consumer import Consumer
from shared.messaging.topics import ensure_topics
from tests.integration.collector.kit import NOON, Collector, campaign, survey
from tests.kit.eventually import eventually


@asynccontextmanager
async def working(collector: Collector, *, publishing: bool = True) -> AsyncIterator[None]:
    """The collector's consumer, and its relay if it is publishing."""
    runtime = collector.runtime
    consumer = Consumer(
        "collector",
        CONSUMED_BY["collector"],
        build(runtime).handlers,
        engine=runtime.engine,
        settings=runtime.settings,
        health=runtime.health,
        committed=runtime.relay.wake,
        clock=runtime.clock,
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


async def test_from_a_send_on_kafka_to_an_answer_on_kafka(collector: Collector, kafka: str, topic_prefix: str) -> None:
    settings = collector.runtime.settings
    settings.kafka_bootstrap_servers, settings.topic_prefix = kafka, topic_prefix
    await ensure_topics(settings, [*CONSUMED_BY["collector"], topics.ANSWERS, topics.PREFERENCES])
    page = collector.page()
    assert (await collector.client.get(page)).status_code == 503
    async with working(collector):
        await publish(
            collector,
            campaigns.event(campaign(), at=NOON),
            sends.event(survey("s-1")),
            sends.event(survey("s-1")),
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


async def test_the_same_batch_twice_changes_nothing(collector: Collector) -> None:
    for _ in range(2):
        await collector.consume(campaign(), survey(), survey("s-2"), survey())
    assert await collector.count("sends") == 2
    assert await collector.count("campaigns") == 1
