"""Data with a limited retention."""

from datetime import timedelta

from services.scorer.loops.retention import RetentionLoop
from shared.contracts import deliveries
from tests.integration.scorer.handlers.test_surveys import delivery, survey
from tests.integration.scorer.kit import ALL_COUNTS, START, StartScorer, answer


async def test_only_the_newest_comments_are_kept(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(comments_kept=3)
    await scorer.take(
        "surveys.answers",
        *(answer(f"a{hour}", 3, at=START - timedelta(hours=hour), comment=f"{hour} h ago") for hour in range(6)),
    )
    await RetentionLoop(scorer.runtime).step()
    rows = await scorer.query("SELECT comment FROM comments ORDER BY answered_at DESC")
    assert [row.comment for row in rows] == ["0 h ago", "1 h ago", "2 h ago"]


async def test_comments_are_kept_for_the_days_that_were_set(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(comments_kept_days=2)
    await scorer.take(
        "surveys.answers",
        *(answer(f"a{day}", 3, at=START - timedelta(days=day), comment=f"{day} d ago") for day in (0, 1, 3)),
    )
    await RetentionLoop(scorer.runtime).step()
    rows = await scorer.query("SELECT comment FROM comments ORDER BY answered_at DESC")
    assert [row.comment for row in rows] == ["0 d ago", "1 d ago"]


async def test_surveys_are_forgotten_and_their_counts_are_kept(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(surveys_kept_days=40)
    await scorer.take("surveys.sends", survey("old", sent_at=START), survey("new", sent_at=START + timedelta(days=2)))
    await scorer.take("surveys.deliveries", delivery(deliveries.ACCEPTED, "old"), delivery(deliveries.ACCEPTED, "new"))
    scorer.clock.step_to(START + timedelta(days=41))
    await RetentionLoop(scorer.runtime).step()
    assert [row.count for row in await scorer.query("SELECT count(*) FROM surveys")] == [1]
    (row,) = await scorer.query(
        f"SELECT sum(delivered) AS delivered FROM ({ALL_COUNTS}) AS counted WHERE segment_id = 0"
    )
    assert row.delivered == 2
