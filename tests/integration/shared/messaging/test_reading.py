"""The lag is what has not been read yet: the end of every partition minus the position that is stored."""

from prometheus_client import REGISTRY

from shared.contracts.topics import ORDERS, PREFERENCES
from shared.health import Health
from shared.messaging.reading import Reading
from tests.integration.shared.conftest import CONSUMER, NOW, Bench, running
from tests.integration.shared.messaging.test_standing_still import LIMIT, counted, stopped
from tests.kit.clock import ChosenClock
from tests.kit.eventually import eventually


async def test_the_lag_is_told_whether_anybody_reads_stands_still_or_is_away(bench: Bench) -> None:
    reading = Reading(
        CONSUMER,
        [ORDERS, PREFERENCES],
        engine=bench.engine,
        settings=bench.settings,
        clock=ChosenClock(NOW),
        health=Health(),
    )

    async def lag() -> tuple[float | None, float | None]:
        await reading.step()
        orders, preferences = (
            REGISTRY.get_sample_value("hearback_lag_records", {"topic": topic.name}) for topic in (ORDERS, PREFERENCES)
        )
        return orders, preferences

    async def becomes(orders: int, preferences: int, when: str) -> None:
        await eventually(lag, when, wanted=lambda found: found == (orders, preferences))

    await bench.publish(range(12))
    await bench.publish_preferences(range(3))
    await becomes(12, 3, "what nobody has begun to read is told")
    async with running(bench.consumer()):
        await becomes(0, 0, "all is read")
        await bench.publish_unreadable(LIMIT + 3)
        await bench.publish([20], partition=0)
        await bench.publish([21], partition=1)
        await eventually(lambda: counted(bench, "event-21"), "the other partition goes on")
        await eventually(lambda: stopped(bench), "a partition stands still")
        await becomes(4, 0, "what is behind the limit is told")
    await bench.publish([22], partition=1)
    await bench.publish_preferences([4])
    await becomes(5, 1, "what nobody owns is told")
    await reading.close()
