"""Changes that are not folded yet: found whichever transactions saw what, and also after a restore."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from services.scorer.actions.day_counts import fold_changes
from services.scorer.domain.windows import EARLIEST, Days
from services.scorer.loops.scores import ScoreLoop
from services.scorer.repository import day_counts, publisher, window_sums
from shared.persistence.statement import Statement
from tests.integration.scorer.kit import START, Scorer, StartScorer, answer, take_published
from tests.kit.messages import message
from tests.kit.plans import plan_of

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


@pytest.mark.parametrize("columns", [("folded",), ("folding",), ("folded", "folding")], ids=" and ".join)
async def test_a_snapshot_of_the_future_is_forgotten_before_that_future_comes(
    scorer: Scorer, columns: Sequence[str]
) -> None:
    """Else what was counted until then would be taken for folded."""
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()
    (now,) = await scorer.query("SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS xmax")
    soon = now.xmax + 20
    for column in columns:
        await scorer.change(f"UPDATE publisher SET {column} = '{soon}:{soon}:'")
    await ScoreLoop(scorer.runtime).step()
    await scorer.take("surveys.answers", answer("b", 10))
    for _ in range(30):
        await scorer.change("SELECT pg_current_xact_id()")
    assert await counted(scorer) == 2
    await scorer.publish()
    assert (await take_published(scorer))["*", "all", "everybody"].n == 2


@pytest.mark.parametrize("analyzed", [True, False])
@pytest.mark.parametrize("page_cost", [1.1, 4])
async def test_what_is_folded_is_not_walked_over(scorer: Scorer, analyzed: bool, page_cost: float) -> None:
    """While somebody holds an old snapshot, PostgreSQL must keep all of it."""
    await scorer.change("ALTER TABLE day_changes SET (autovacuum_enabled = false)")
    await scorer.change(
        """
        INSERT INTO day_changes
            (segment_id, campaign_id, day, promoters, passives, detractors, delivered, answered)
        SELECT 0, 0, CAST('2026-03-01' AS date), 1, 0, 0, 0, 0 FROM generate_series(1, 20000)
        """
    )
    if analyzed:
        await scorer.change("ANALYZE day_changes")
    await scorer.publish()
    query = {"segment_id": 0, "campaign_id": None, "after": [EVER.after], "end": [EVER.end],
             "earliest": EVER.after, "latest": EVER.end}  # fmt: skip
    async with scorer.runtime.transaction() as connection:
        await connection.execute(text(f"SET LOCAL random_page_cost = {page_cost}"))
        for statement in (window_sums._FOLD, publisher._DUE, Statement(day_counts._SUMS.text)):
            plan = await plan_of(connection, statement, {**query, "most": 10_000})
            assert "day_changes_by_transaction" in plan
            assert "Seq Scan on day_changes" not in plan, plan
