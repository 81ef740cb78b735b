"""No survey is decided ahead of what has not been read: whatever was down, who cancelled, left or was erased meanwhile
is not asked."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.cloudevents import Message, write
from shared.contracts.events import Event
from shared.contracts.topics import CONSUMED_BY, ORDERS, PREFERENCES
from shared.messaging.consumer import Consumer
from shared.messaging.handler import Handler
from shared.messaging.reading import Reading
from shared.messaging.repository import dead_letters, positions
from shared.messaging.topics import all_topics, ensure_topics
from tests.integration.dispatcher.kit import HOUR, START, Dispatcher, Open, order_event, preference
from tests.kit.eventually import eventually

CUSTOMERS = ("stays", "cancels", "unsubscribes", "is-erased")


@dataclass
class Shop:
    """A dispatcher whose consumer reads the real broker, and a shop that publishes to it."""

    dispatcher: Dispatcher
    producer: AIOKafkaProducer
    published: int = field(default=0)

    async def publish(self, *messages: Message) -> None:
        """Each goes to partition 0 of its topic."""
        for message in messages:
            self.published += 1
            body: Any = message.body
            event = Event(
                topic=message.topic,
                key=body.customer.id if message.topic == ORDERS.name else body.customer_id,
                event_id=f"event-{self.published}",
                type=message.type,
                time=message.time,
                body=body,
            )
            headers, value = write(event, "/shop")
            await self.raw(message.topic, value, headers, event.key.encode())

    async def raw(self, topic: str, value: bytes, headers: Sequence[tuple[str, bytes]], key: bytes = b"k") -> None:
        name = self.dispatcher.runtime.settings.topic(topic)
        await self.producer.send_and_wait(name, value=value, headers=headers, key=key, partition=0)

    async def order(self) -> None:
        """Every customer places an order; surveys are due an hour later."""
        await self.publish(
            *(order_event("placed", f"o-{name}", name, email=f"{name}@example.com") for name in CUSTOMERS)
        )

    async def change_their_minds(self) -> None:
        at = START + HOUR / 2
        await self.publish(order_event("cancelled", "o-cancels", "cancels", at=at))
        await self.publish(preference("unsubscribed", "unsubscribes", at=at), preference("erased", "is-erased", at=at))

    def due(self) -> None:
        self.dispatcher.clock.moment = START + HOUR + timedelta(minutes=1)

    async def asked(self) -> list[str]:
        rows = await self.dispatcher.rows("SELECT customer_id FROM sends ORDER BY customer_id")
        return [row["customer_id"] for row in rows]

    @property
    def reading(self) -> Reading:
        reading = self.dispatcher.runtime.reads
        assert isinstance(reading, Reading)
        return reading

    async def everything_read(self) -> None:
        """Up to now; what is published from here on is not."""
        begun = await self.database_time()

        async def read() -> bool:
            found = await self.reading.until()
            return found is not None and found.known_by > begun

        await eventually(read, "everything to be read")

    async def database_time(self) -> datetime:
        async with self.dispatcher.runtime.engine.connect() as connection:
            return await positions.now(connection)

    async def nobody_is_asked(self) -> None:
        """However often the loop looks: the broker is asked anew several times."""
        looks = set()

        async def looked() -> int:
            await self.reading.until()
            await self.dispatcher.decide()
            assert await self.asked() == []
            looks.add(self.reading._looked_at)
            return len(looks)

        await eventually(looked, "the broker to be asked again", wanted=lambda number: number > 3, every=0.02)

    async def only_who_stays_is_asked(self) -> None:
        async def asked() -> list[str]:
            await self.dispatcher.decide()
            return await self.asked()

        await eventually(asked, "who stayed to be asked", wanted=bool, within=40)
        assert await self.asked() == ["stays"]

    async def timers_set(self) -> None:
        await eventually(self.dispatcher.timers, "timers to be set", wanted=lambda found: len(found) >= len(CUSTOMERS))

    @asynccontextmanager
    async def consuming(
        self, wrap: Callable[[Handler], Handler] = lambda handler: handler, over: asyncio.Event | None = None
    ) -> AsyncIterator[None]:
        """``over`` is set at the end, whatever happens: what waits for it could not be stopped."""
        runtime = self.dispatcher.runtime
        handlers: Mapping[str, Handler] = {name: wrap(each) for name, each in self.dispatcher.handlers.items()}
        consumer = Consumer(
            "dispatcher",
            CONSUMED_BY["dispatcher"],
            handlers,
            engine=runtime.engine,
            settings=runtime.settings,
            health=runtime.health,
            committed=lambda: None,
            clock=runtime.clock,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))
        try:
            yield
        finally:
            if over is not None:
                over.set()
            stop.set()
            await asyncio.wait_for(task, 20)


@pytest_asyncio.fixture(loop_scope="session")
async def shop(open_dispatcher: Open, kafka: str, topic_prefix: str) -> AsyncIterator[Shop]:
    dispatcher = await open_dispatcher(
        kafka_bootstrap_servers=kafka,
        topic_prefix=topic_prefix,
        consumer_session_seconds=6,
        retry_limit_seconds=0.5,
        dead_letter_limit=0,
    )
    runtime = dispatcher.runtime
    await ensure_topics(runtime.settings, all_topics())
    reading = Reading(
        "dispatcher",
        CONSUMED_BY["dispatcher"],
        engine=runtime.engine,
        settings=runtime.settings,
        clock=runtime.clock,
        health=runtime.health,
    )
    runtime.reads = reading
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        yield Shop(dispatcher, producer)
    await reading.close()


async def test_after_a_stop_of_any_length(shop: Shop) -> None:
    async with shop.consuming():
        await shop.order()
        await shop.timers_set()
        await shop.everything_read()
    shop.due()
    await shop.change_their_minds()
    await shop.nobody_is_asked()
    async with shop.consuming():
        await shop.only_who_stays_is_asked()


async def test_after_a_crash_before_anything_was_read(shop: Shop) -> None:
    """The order itself is read only now, with a survey that was due long ago."""
    await shop.order()
    shop.due()
    await shop.change_their_minds()
    await shop.nobody_is_asked()
    async with shop.consuming():
        await shop.only_who_stays_is_asked()


def held_up(until: asyncio.Event, error: Exception | None = None) -> Callable[[Handler], Handler]:
    """Whatever is not a new order waits ``until`` then, or fails with the error until then."""

    def wrap(handler: Handler) -> Handler:
        async def handle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
            if not until.is_set() and any(message.type != "order.placed" for message in messages):
                if error is not None:
                    raise error
                await until.wait()
            await handler(connection, messages)

        return handle

    return wrap


@pytest.mark.parametrize("error", [None, ConnectionRefusedError("the database is away")], ids=["lags", "cannot-write"])
async def test_while_the_consumer_does_not_get_on(shop: Shop, error: Exception | None) -> None:
    over = asyncio.Event()
    async with shop.consuming(held_up(over, error), over):
        await shop.order()
        await shop.timers_set()
        await shop.everything_read()
        shop.due()
        await shop.change_their_minds()
        await shop.nobody_is_asked()
        over.set()
        await shop.only_who_stays_is_asked()


async def test_what_is_published_after_a_look_at_the_broker_is_not_covered_by_it(shop: Shop) -> None:
    """Between two looks the consumer reaches the ends of the first, and records come that only the second knows of."""
    over = asyncio.Event()
    await shop.order()
    await eventually(lambda: unread(shop), "the orders to be published", wanted=lambda found: found == len(CUSTOMERS))
    async with shop.consuming(held_up(over), over):
        await shop.timers_set()
        shop.due()
        await shop.change_their_minds()
        await shop.nobody_is_asked()
        over.set()
        await shop.only_who_stays_is_asked()


async def test_while_a_topic_stands_still_at_its_dead_letter_limit(shop: Shop) -> None:
    async with shop.consuming():
        await shop.order()
        await shop.timers_set()
        for topic in (ORDERS.name, PREFERENCES.name):
            await shop.raw(topic, b"{not json", [])
        shop.due()
        await shop.change_their_minds()
        await shop.nobody_is_asked()
        async with shop.dispatcher.runtime.engine.begin() as connection:
            for topic in (ORDERS.name, PREFERENCES.name):
                await dead_letters.grant(connection, "dispatcher", topic=topic, records=1)
        await shop.only_who_stays_is_asked()


async def test_what_was_set_after_the_reading_waits_for_the_next_one(shop: Shop) -> None:
    """The order is read at once and was due long ago; its cancellation comes a moment later, and is not read yet."""
    async with shop.consuming():
        shop.due()
        read = await eventually(shop.dispatcher.runtime.reads.until, "an empty broker to be read")
        await shop.order()
        await shop.timers_set()
        loop = shop.dispatcher.loop
        assert read is not None
        loop._known.known_by = read.known_by
        async with loop._due.batch(shop.dispatcher.clock.moment) as batch:
            assert batch is None
        await shop.change_their_minds()
        await eventually(lambda: unread(shop), "the changes to be read", wanted=lambda found: found == 0)
        await shop.only_who_stays_is_asked()


async def test_waiting_for_long_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.messaging.reading._TOLD_AFTER_SECONDS", 0.05)
    async with shop.consuming():
        await shop.order()
        await shop.timers_set()
    shop.due()
    await shop.change_their_minds()
    await shop.nobody_is_asked()
    health = shop.dispatcher.runtime.health
    health.started = True
    told = (await health.obstacles())["reading of the dispatcher"]
    assert "orders: 1 records not read yet; customers.preferences: 2 records not read yet" in told
    async with shop.consuming():
        await shop.only_who_stays_is_asked()
        await shop.dispatcher.decide()
        assert "reading of the dispatcher" not in await health.obstacles()


async def test_a_transaction_of_the_shop_that_is_open_or_aborted_holds_up_nobody_for_ever(shop: Shop) -> None:
    settings = shop.dispatcher.runtime.settings
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=settings.topic("shop")
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(settings.topic(ORDERS.name), b"never", partition=0)
        await producer.abort_transaction()
    async with shop.consuming():
        await shop.order()
        await shop.timers_set()
        shop.due()
        await shop.change_their_minds()
        await shop.only_who_stays_is_asked()
        assert await unread(shop) == 0


async def unread(shop: Shop) -> int:
    await shop.reading.step()
    return sum(shop.reading._behind.values())
