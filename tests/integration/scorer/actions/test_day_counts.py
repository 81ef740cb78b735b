"""How much is summed up at once, and what is made anew."""

import asyncio
from datetime import timedelta

import pytest

from services.scorer.actions import day_counts
from services.scorer.actions.day_counts import fold_changes, walk
from services.scorer.repository import publisher
from tests.integration.scorer.kit import START, Scorer, answer, make_anew, take_published
from tests.kit.locks import held_up

CODES = ("BR", "NO", "PT", "KR")


async def fill(scorer: Scorer) -> None:
    for code in CODES:
        await scorer.take("surveys.answers", answer(code, 10, segments={"country": code}))
    await scorer.publish()
    await take_published(scorer)


async def walked_to(scorer: Scorer) -> int | None:
    (row,) = await scorer.query("SELECT walked_to FROM publisher")
    found: int | None = row.walked_to
    return found


async def test_a_fold_sums_up_no_segment_that_a_walk_will_come_to(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be thousands in the changes that it takes, each with years of days."""
    monkeypatch.setattr(day_counts, "_SEGMENTS_SUMMED_UP_AT_ONCE", 2)
    await fill(scorer)
    await make_anew(scorer)

    async def fold(revision: int) -> set[str]:
        await scorer.take(
            "surveys.answers",
            *(answer(f"{code} {revision}", 0, campaign="late", segments={"country": code}) for code in CODES),
        )
        await fold_changes(scorer.runtime)
        rows = await scorer.query(
            "SELECT value, campaign_id FROM window_sums JOIN segments ON id = segment_id WHERE campaign_id <> -1"
        )
        return {row.value for row in rows}

    assert await fold(1) == {"everybody"}
    assert await walk(scorer.runtime)
    assert await fold(2) == {"everybody", "BR"}
    await scorer.publish()
    published = await take_published(scorer)
    assert {published["*", "all", f"country:{code}"].n for code in CODES} == {3}
    assert published["*", "all", "everybody"].n == 12


async def test_where_a_walk_has_been_a_fold_makes_the_sums_of_a_new_campaign(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_counts, "_SEGMENTS_SUMMED_UP_AT_ONCE", 2)
    await fill(scorer)
    await make_anew(scorer)
    assert await walk(scorer.runtime)
    await scorer.take("surveys.answers", answer("new", 0, campaign="new", segments={"country": "BR"}))
    await scorer.publish()
    assert (await take_published(scorer))["new", "all", "country:BR"].n == 1


@pytest.mark.parametrize(("passed", "segments"), [(5, 3), (40, 1)])
async def test_fewer_segments_are_summed_up_at_once_than_moved(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch, passed: int, segments: int
) -> None:
    await fill(scorer)
    monkeypatch.setattr(day_counts, "_SEGMENTS_AT_ONCE", 3)
    monkeypatch.setattr(day_counts, "_SEGMENTS_SUMMED_UP_AT_ONCE", 1)
    scorer.clock.step_to(START + timedelta(days=passed))
    ids = [row.id for row in await scorer.query("SELECT id FROM segments ORDER BY id")]
    assert await walk(scorer.runtime)
    assert await walked_to(scorer) == ids[segments - 1]
    await scorer.publish()
    published = await take_published(scorer)
    assert {(window, body.n) for (_, window, _), body in published.items()} == (
        {("7d", 0), ("30d", 0)} if passed == 40 else set()
    )


async def test_sums_are_made_anew_also_in_the_middle_of_a_walk(scorer: Scorer) -> None:
    """Its end would otherwise overwrite that they are to be made."""
    await fill(scorer)
    async with scorer.runtime.transaction() as connection:
        assert await publisher.take_turn(connection)
        known = await publisher.read(connection)
        making = asyncio.create_task(make_anew(scorer))
        await held_up(scorer.runtime, making)
        await publisher.write(connection, known)
    await making
    assert await walked_to(scorer) == -1
    await scorer.publish()
    (row,) = await scorer.query("SELECT building, (SELECT count(*) FROM window_sums) AS rows FROM publisher")
    assert (row.building, row.rows) == (False, 1 + len(CODES))
    assert await take_published(scorer) == {}
