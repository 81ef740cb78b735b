"""A replica of the version before revision 0008 still runs for a moment: what it counts is counted, and it publishes
nothing; nor are it and the migration in each other's way."""

import asyncio
from datetime import date

from sqlalchemy import text

from deploy.local.provision import Database
from shared.persistence.engine import open_engine
from tests.integration.scorer.kit import START, Scorer, answer, take_published
from tests.kit.eventually import eventually
from tests.kit.migrations import upgrade

# As that version executes them.
ADD = """
    INSERT INTO day_counts AS counted
        (segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered, changed)
    SELECT segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered, true
    FROM unnest(CAST(:segment_id AS integer[]), CAST(:campaign_id AS integer[]), CAST(:day AS date[]),
                CAST(:promoters AS integer[]), CAST(:passives AS integer[]), CAST(:detractors AS integer[]),
                CAST(:delivered AS integer[]), CAST(:answered AS integer[]))
        AS given (segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered)
    ON CONFLICT (segment_id, campaign_id, day) DO UPDATE SET
        promoters = counted.promoters + excluded.promoters,
        passives = counted.passives + excluded.passives,
        detractors = counted.detractors + excluded.detractors,
        delivered = counted.delivered + excluded.delivered,
        answered = counted.answered + excluded.answered,
        changed = true
"""
MARK = """
    WITH moved AS (
        SELECT segment_id, campaign_id, day FROM day_counts WHERE NOT changed FOR UPDATE SKIP LOCKED
    )
    UPDATE day_counts SET changed = true
    FROM moved
    WHERE day_counts.segment_id = moved.segment_id
      AND day_counts.campaign_id = moved.campaign_id
      AND day_counts.day = moved.day
"""
CHANGED = "SELECT count(*) AS number FROM day_counts WHERE changed"


async def test_what_a_replica_of_the_previous_version_counts_is_published(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()
    await take_published(scorer)
    today = START.date()
    for _ in range(2):
        await scorer.change(
            ADD,
            segment_id=[0, 0],
            campaign_id=[0, 0],
            day=[today, date(2026, 1, 1)],
            promoters=[1, 0],
            passives=[0, 1],
            detractors=[2, 0],
            delivered=[0, 0],
            answered=[0, 0],
        )
    await scorer.publish()
    published = await take_published(scorer)
    week, ever = published["*", "7d", "everybody"], published["*", "all", "everybody"]
    assert (week.promoters, week.passives, week.detractors) == (3, 0, 4)
    assert (ever.promoters, ever.passives, ever.detractors) == (3, 2, 4)


async def test_a_replica_of_the_previous_version_finds_nothing_to_publish(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()
    await scorer.change(MARK)
    assert [row.number for row in await scorer.query(CHANGED)] == [0]


async def test_a_publisher_of_the_previous_version_that_reads_and_then_writes_is_in_no_deadlock(
    empty_database: Database,
) -> None:
    engine = open_engine(empty_database.service_urls["scorer"], name="test")
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'day_counts'::regclass")

    async def waits() -> bool:
        async with engine.connect() as other:
            return bool(await other.scalar(waiting))

    try:
        await upgrade(engine, "scorer", "0007")
        async with engine.begin() as publisher:
            await publisher.execute(text(CHANGED))
            migrating = asyncio.create_task(upgrade(engine, "scorer", "0008"))
            await eventually(waits, "the migration to wait")
            await publisher.execute(text(MARK))
        await migrating
    finally:
        await engine.dispose()
