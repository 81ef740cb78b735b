"""Batches keep their distance, by a clock that the test sets: what arrives meanwhile is one batch."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.cloudevents import Message
from shared.messaging.consumer import Consumer
from shared.messaging.pacing import Pacing
from tests.integration.shared.conftest import Bench, count, running
from tests.kit.eventually import until

INTERVAL = 0.06


class Batches:
    """A consumer on whose clock no time passes by itself, and the sizes of its batches."""

    def __init__(self, bench: Bench) -> None:
        self.sizes: list[int] = []
        self.now = 0.0
        self.consumer: Consumer = bench.consumer(self._handle)
        self.consumer._pacing = Pacing(INTERVAL, now=lambda: self.now)

    async def _handle(self, connection: AsyncConnection, messages: Sequence[Message]) -> None:
        await count(connection, messages)
        self.sizes.append(len(messages))

    async def reach(self, *sizes: int) -> None:
        await until(lambda: self.sizes == list(sizes), lambda: f"batches of {sizes}, not {self.sizes}")


async def test_the_first_after_a_silence_does_not_wait_and_the_next_ones_are_one_batch(bench: Bench) -> None:
    batches = Batches(bench)
    async with running(batches.consumer):
        await bench.publish([0], partition=0)
        await batches.reach(1)
        for number in range(1, 8):
            # Each is fetched by itself: Kafka's client brings no more of a partition before the last ones were taken.
            await bench.publish([number], partition=0)
            await asyncio.sleep(INTERVAL)  # long enough for a batch, if the clock did not stand still
        assert batches.sizes == [1]
        batches.now += INTERVAL
        await batches.reach(1, 7)
        batches.now += INTERVAL
        await bench.publish([8], partition=0)
        await batches.reach(1, 7, 1)
    assert await bench.counted() == {f"event-{number}": 1 for number in range(9)}


async def test_a_large_batch_does_not_wait(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(update={"consumer_batch_size": 20})
    batches = Batches(bench)
    async with running(batches.consumer):
        await bench.publish([0], partition=0)
        await batches.reach(1)
        await bench.publish(range(1, 61), partition=0)
        await until(lambda: sum(batches.sizes) >= 51, lambda: f"all but half a batch, not {batches.sizes}")
        batches.now += INTERVAL
        await until(lambda: sum(batches.sizes) == 61, lambda: f"the last ones, too, not {batches.sizes}")
    assert await bench.counted() == {f"event-{number}": 1 for number in range(61)}


async def test_it_can_be_stopped_while_a_batch_waits(bench: Bench) -> None:
    batches = Batches(bench)
    async with running(batches.consumer):
        await bench.publish([0], partition=0)
        await batches.reach(1)
        await bench.publish([1], partition=0)
        await asyncio.sleep(INTERVAL)
