"""Data with a limited retention."""

from datetime import timedelta

from services.scorer.loops.retention import RetentionLoop
from tests.integration.scorer.kit import START, StartScorer, answer


async def test_only_the_newest_comments_are_kept(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(comments_kept=3)
    await scorer.take(
        "surveys.answers",
        *(answer(f"a{hour}", 3, at=START - timedelta(hours=hour), comment=f"{hour} h ago") for hour in range(6)),
    )
    await RetentionLoop(scorer.runtime).step()
    rows = await scorer.query("SELECT comment FROM comments ORDER BY answered_at DESC")
    assert [row.comment for row in rows] == ["0 h ago", "1 h ago", "2 h ago"]
