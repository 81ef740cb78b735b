"""Surveys closed long ago are deleted, in bounded batches."""

from datetime import timedelta

from sqlalchemy import text

from services.collector.loops.retention import RetentionLoop
from services.collector.repository import sends
from tests.integration.collector.kit import NOON, Collector


async def test_long_closed_surveys_are_deleted_in_bounded_steps(collector: Collector) -> None:
    for number in range(7):
        await collector.send(f"s-{number}")
    await collector.send("s-young", expires_at=NOON + timedelta(days=31))
    await collector.client.post(collector.page("s-0"), json={"score": 4})
    collector.clock.moment = NOON + timedelta(days=30 + 90)
    loop = RetentionLoop(collector.runtime)
    assert await loop.step() is False
    assert await collector.count("sends") == 8
    collector.clock.pass_time(seconds=1)
    rounds = 1
    while await loop.step():
        rounds += 1
    assert (rounds, await collector.count("sends")) == (3, 1)
    assert await collector.count("answers") == 1


async def test_deleting_walks_the_index(collector: Collector) -> None:
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
            text("EXPLAIN " + sends.PRUNE.text), {"before": NOON + timedelta(days=365), "limit": 100}
        )
        assert "sends_by_expiry" in "\n".join(plan.scalars())
