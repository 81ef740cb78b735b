"""A replica of the version before revision 0008 still runs for a moment: what it counts is counted, and it publishes
nothing."""

from datetime import date

from tests.integration.scorer.kit import START, Scorer, answer, take_published

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
