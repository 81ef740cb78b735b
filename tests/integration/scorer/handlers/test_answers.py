"""Promise 2, counted once: with duplicate, late, out-of-order and concurrent events."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.contracts.answers import Answer, AnswerErased
from shared.nps import group_of
from tests.integration.scorer.kit import START, Event, Scorer, StartScorer, answer, erased
from tests.kit.messages import message

DayCounts = dict[tuple[str, str, str, str, str], int]


def expected_counts(events: Sequence[Event], zone: ZoneInfo) -> DayCounts:
    """The expected counts, from each answer's last revision only."""
    last: dict[str, Answer | AnswerErased] = {}
    for _, body in events:
        assert isinstance(body, Answer | AnswerErased)
        if body.answer_id not in last or body.revision > last[body.answer_id].revision:
            last[body.answer_id] = body
    counts: Counter[tuple[str, str, str, str, str]] = Counter()
    for body in last.values():
        if isinstance(body, AnswerErased):
            continue
        places = {("", "everybody")}
        for dimension, value in body.segments.items():
            places |= {(dimension, one) for one in ([value] if isinstance(value, str) else value)}
        for dimension, value in places:
            day = body.answered_at.astimezone(zone).date().isoformat()
            counts[dimension, value, body.campaign or "", day, group_of(body.score)] += 1
            if body.send_id:
                counts[dimension, value, body.campaign or "", day, "surveyed"] += 1
    return dict(counts)


async def stored_counts(scorer: Scorer) -> DayCounts:
    rows = await scorer.query(
        """
        SELECT dimension, value, name, CAST(day AS text) AS day, promoters, passives, detractors, surveyed
        FROM day_counts JOIN segments ON segments.id = segment_id JOIN campaigns ON campaigns.id = campaign_id
        """
    )
    found: DayCounts = {}
    for row in rows:
        for kind in ("promoters", "passives", "detractors"):
            assert getattr(row, kind) >= 0
            if getattr(row, kind):
                found[row.dimension, row.value, row.name, row.day, kind[:-1]] = getattr(row, kind)
        if row.surveyed:
            found[row.dimension, row.value, row.name, row.day, "surveyed"] = row.surveyed
    return found


def a_life(rng: random.Random, answer_id: str) -> list[Event]:
    """One answer's revisions: recorded, perhaps amended several times, perhaps erased."""
    events: list[Event] = []
    revisions = rng.choice([1, 1, 2, 3])
    for revision in range(1, revisions + 1):
        if revision > 1 and rng.random() < 0.3:
            events.append(erased(answer_id, revision))
            break
        events.append(
            answer(
                answer_id,
                rng.randint(0, 10),
                revision=revision,
                at=START - timedelta(hours=rng.randint(0, 2_000)),
                campaign=rng.choice([None, "service-nps", "product-nps"]),
                send_id=rng.choice([None, f"send of {answer_id}"]),
                comment=rng.choice([None, "late", "fine"]),
                segments=rng.choice(
                    [{}, {"country": "BR"}, {"country": "NO", "category": ["toys", "books", "toys"]}, {"tier": "gold"}]
                ),
            )
        )
    return events


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_any_batching_with_duplicates_counts_each_answer_once(
    start_scorer: StartScorer, seed: int
) -> None:
    rng = random.Random(seed)
    scorer = await start_scorer(timezone="America/Sao_Paulo")
    lives = [a_life(rng, f"answer {number}") for number in range(60)]
    events = [event for life in lives for event in life]
    sent = events + rng.choices(events, k=len(events) // 2)
    rng.shuffle(sent)
    while sent:
        size = rng.choice([1, 2, 7, 40])
        batch, sent = sent[:size], sent[size:]
        await scorer.take("surveys.answers", *batch)
    assert await stored_counts(scorer) == expected_counts(events, ZoneInfo("America/Sao_Paulo"))


async def test_replicas_handling_the_same_answers_at_once_count_them_once(start_scorer: StartScorer) -> None:
    rng = random.Random(7)
    replicas = [await start_scorer() for _ in range(3)]
    events = [event for number in range(300) for event in a_life(rng, f"answer {number}")]

    async def work(scorer: Scorer, seed: int) -> None:
        mine = random.Random(seed).sample(events, k=len(events))
        for start in range(0, len(mine), 25):
            await scorer.take("surveys.answers", *mine[start : start + 25])

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(scorer, seed) for seed, scorer in enumerate(replicas)))
    assert await stored_counts(replicas[0]) == expected_counts(events, ZoneInfo("UTC"))


async def test_a_batch_rolled_back_leaves_nothing_and_can_be_taken_again(scorer: Scorer) -> None:

    kind, body = answer("a", 9, campaign="new", segments={"never": "seen before"})
    with pytest.raises(RuntimeError, match="dies here"):
        async with scorer.runtime.transaction() as connection:
            await scorer.handlers["surveys.answers"](connection, [message("surveys.answers", kind, body)])
            raise RuntimeError("dies here")
    assert await stored_counts(scorer) == {}
    await scorer.take("surveys.answers", (kind, body))
    assert await stored_counts(scorer) == expected_counts([(kind, body)], ZoneInfo("UTC"))


async def test_a_late_lower_revision_does_not_bring_an_erased_answer_back(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", erased("a", 3))
    await scorer.take("surveys.answers", answer("a", 2, revision=2, comment="terrible"))
    assert await stored_counts(scorer) == {}
    assert not await scorer.query("SELECT * FROM comments")


async def test_an_erasure_wins_over_an_answer_of_the_same_revision(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 2, revision=2, comment="terrible"))
    await scorer.take("surveys.answers", erased("a", 2))
    await scorer.take("surveys.answers", answer("a", 2, revision=2, comment="terrible"))
    assert await stored_counts(scorer) == {}


async def test_erasing_leaves_nothing_of_the_person(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 2, comment="call me at 555", segments={"country": "BR"}))
    await scorer.take("surveys.answers", erased("a", 2))
    rows = await scorer.query("SELECT campaign_id, day, score, surveyed, segment_ids FROM answers")
    assert [tuple(row) for row in rows] == [(None, None, None, None, None)]
    assert not await scorer.query("SELECT * FROM comments")


async def test_an_answer_counts_on_the_day_it_was_in_the_shops_zone(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(timezone="America/Sao_Paulo")
    await scorer.take(
        "surveys.answers",
        answer("before midnight", 10, at=datetime(2026, 3, 1, 2, 59, 59, tzinfo=UTC)),
        answer("after midnight", 0, at=datetime(2026, 3, 1, 3, 0, tzinfo=UTC)),
    )
    assert await stored_counts(scorer) == {
        ("", "everybody", "", "2026-02-28", "promoter"): 1,
        ("", "everybody", "", "2026-03-01", "detractor"): 1,
    }
