"""Changes that are not folded yet: found whichever transactions saw what, and also after a restore."""

from services.scorer.actions.day_counts import fold_changes
from services.scorer.domain.windows import EARLIEST, Days
from services.scorer.repository import day_counts
from tests.integration.scorer.kit import START, Scorer, StartScorer, answer, take_published
from tests.kit.messages import message

EVER = Days(after=EARLIEST, end=START.date())


async def counted(scorer: Scorer) -> int:
    async with scorer.runtime.read_only() as connection:
        (sums,) = await day_counts.sums(connection, [EVER], segment_id=0, campaign_id=None)
    return sums.counts.n


async def test_a_batch_that_began_before_a_fold_and_commits_after_it_is_folded(start_scorer: StartScorer) -> None:
    one, other = await start_scorer(), await start_scorer()
    async with one.runtime.transaction() as connection:
        await one.handler(connection, [message("surveys.answers", *answer("early", 10), at=START)])
        for number in range(3):
            await other.take("surveys.answers", answer(f"late {number}", 10))
            await other.publish()
        assert await counted(other) == 3
    assert await counted(other) == 4
    await other.publish()
    assert (await take_published(other))["*", "all", "everybody"].n == 4
    assert await counted(other) == 4
    assert [row.n for row in await other.query("SELECT count(*) AS n FROM day_changes")] == [0]


async def test_a_reader_with_an_older_snapshot_reads_what_was_folded_since(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    async with scorer.runtime.read_only() as connection:
        (before,) = await day_counts.sums(connection, [EVER], segment_id=0, campaign_id=None)
        await scorer.publish()
        (after,) = await day_counts.sums(connection, [EVER], segment_id=0, campaign_id=None)
    assert before.counts.n == after.counts.n == await counted(scorer) == 1


async def test_after_a_restore_into_a_younger_cluster_nothing_is_overlooked(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()
    await scorer.change("UPDATE publisher SET folded = '9000000000:9000000002:9000000000,9000000001'")
    await scorer.take("surveys.answers", answer("b", 10))
    assert await counted(scorer) == 2
    while await fold_changes(scorer.runtime):
        pass
    assert [row.n for row in await scorer.query("SELECT count(*) AS n FROM day_changes")] == [0]
    assert await counted(scorer) == 2
