"""Promise 2, counted once: with duplicate, late, out-of-order and concurrent events."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scorer.domain.answers import WrittenAnswers
from services.scorer.domain.windows import EARLIEST, Days
from services.scorer.repository import answers
from shared.contracts.answers import Answer, StillCounted
from shared.contracts.identity import key_of
from shared.nps import group_of
from tests.integration.scorer.kit import ALL_COUNTS, START, Event, Scorer, StartScorer, answer, erased
from tests.kit.messages import message

DayCounts = dict[tuple[str, str, str, str, str], int]


async def test_a_batch_that_fails_in_the_midst_of_its_slices_leaves_nothing_behind(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = answers.write, 0

    async def failing(connection: AsyncConnection, columns: answers.AnswerColumns) -> WrittenAnswers:
        nonlocal written
        written += 1
        if written == 3:
            columns = columns._replace(literals={**columns.literals, "score": "{99999}"})
        return await write(connection, columns)

    events = [answer(str(number), 9, segments={"country": "BR"}) for number in range(9)]
    with monkeypatch.context() as patched:
        patched.setattr(answers, "write", failing)
        with pytest.raises(DBAPIError):
            await scorer.take("surveys.answers", *events)
    assert written == 3
    assert await scorer.query("SELECT 1 FROM answers UNION ALL SELECT 1 FROM day_changes") == []
    await scorer.take("surveys.answers", *events)
    assert set((await stored_counts(scorer)).values()) == {9}


def expected_counts(events: Sequence[Event], zone: ZoneInfo) -> DayCounts:
    """The expected counts, from each answer's last revision that has a score: an erasure changes nothing."""
    last: dict[str, Answer] = {}
    for _, body in events:
        if isinstance(body, Answer) and (body.answer_id not in last or body.revision > last[body.answer_id].revision):
            last[body.answer_id] = body
    counts: Counter[tuple[str, str, str, str, str]] = Counter()
    for body in last.values():
        places = {("", "everybody")}
        for dimension, value in body.segments.items():
            places |= {(dimension, one) for one in ([value] if isinstance(value, str) else value)}
        for dimension, value in places:
            day = body.answered_at.astimezone(zone).date().isoformat()
            counts[dimension, value, body.campaign or "", day, group_of(body.score)] += 1
    return dict(counts)


async def stored_counts(scorer: Scorer) -> DayCounts:
    rows = await scorer.query(
        f"""
        SELECT dimension, value, name, CAST(day AS text) AS day, promoters, passives, detractors
        FROM ({ALL_COUNTS}) AS counted
        JOIN segments ON segments.id = segment_id JOIN campaigns ON campaigns.id = campaign_id
        """
    )
    found: DayCounts = {}
    for row in rows:
        for kind in ("promoters", "passives", "detractors"):
            assert getattr(row, kind) >= 0
            if getattr(row, kind):
                found[row.dimension, row.value, row.name, row.day, kind[:-1]] = getattr(row, kind)
    return found


def a_life(rng: random.Random, answer_id: str, zone: ZoneInfo) -> list[Event]:
    """One answer's revisions: recorded, perhaps amended several times, perhaps erased."""
    events: list[Event] = []
    revisions = rng.choice([1, 1, 2, 3])
    last: Answer | None = None
    for revision in range(1, revisions + 1):
        if last is not None and rng.random() < 0.3:
            events.append(erased(answer_id, revision, still_counted(last, zone)))
            break
        kind, body = answer(
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
        assert isinstance(body, Answer)
        events.append((kind, body))
        last = body
    return events


def still_counted(body: Answer, zone: ZoneInfo) -> StillCounted:
    return StillCounted(
        group=group_of(body.score),
        day=body.answered_at.astimezone(zone).date(),
        campaign=body.campaign,
        surveyed=body.send_id is not None,
        segments=body.segments,
    )


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_any_batching_with_duplicates_counts_each_answer_once(
    start_scorer: StartScorer, seed: int
) -> None:
    rng, zone = random.Random(seed), ZoneInfo("America/Sao_Paulo")
    scorer = await start_scorer(timezone=zone.key)
    lives = [a_life(rng, f"answer {number}", zone) for number in range(60)]
    events = [event for life in lives for event in life]
    sent = events + rng.choices(events, k=len(events) // 2)
    rng.shuffle(sent)
    while sent:
        size = rng.choice([1, 2, 7, 40])
        batch, sent = sent[:size], sent[size:]
        await scorer.take("surveys.answers", *batch)
    assert await stored_counts(scorer) == expected_counts(events, zone)
    # What combined segments are counted from adds up to the same.
    assert await counts_of_answers(scorer) == sum(
        count for place, count in (await stored_counts(scorer)).items() if place[0] == ""
    )


async def counts_of_answers(scorer: Scorer) -> int:
    async with scorer.runtime.read_only() as connection:
        span = Days(after=EARLIEST, end=date(2200, 1, 1))
        (found,) = await answers.sums(connection, [span], segment_ids=[0], campaign_id=None)
    return found.counts.n


async def test_replicas_handling_the_same_answers_at_once_count_them_once(start_scorer: StartScorer) -> None:
    rng, zone = random.Random(7), ZoneInfo("UTC")
    replicas = [await start_scorer() for _ in range(3)]
    events = [event for number in range(300) for event in a_life(rng, f"answer {number}", zone)]

    async def work(scorer: Scorer, seed: int) -> None:
        mine = random.Random(seed).sample(events, k=len(events))
        for start in range(0, len(mine), 25):
            await scorer.take("surveys.answers", *mine[start : start + 25])

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(scorer, seed) for seed, scorer in enumerate(replicas)))
    assert await stored_counts(replicas[0]) == expected_counts(events, zone)


async def test_a_batch_rolled_back_leaves_nothing_and_can_be_taken_again(scorer: Scorer) -> None:

    kind, body = answer("a", 9, campaign="new", segments={"never": "seen before"})
    with pytest.raises(RuntimeError, match="dies here"):
        async with scorer.runtime.transaction() as connection:
            await scorer.handler(connection, [message("surveys.answers", kind, body)])
            raise RuntimeError("dies here")
    assert await stored_counts(scorer) == {}
    await scorer.take("surveys.answers", (kind, body))
    assert await stored_counts(scorer) == expected_counts([(kind, body)], ZoneInfo("UTC"))


BRAZIL = {"country": "BR"}
ONE_DETRACTOR = {
    ("", "everybody", "", "2026-03-01", "detractor"): 1,
    ("country", "BR", "", "2026-03-01", "detractor"): 1,
}
COUNTED = StillCounted(group="detractor", day=START.date(), surveyed=False, segments={"country": "BR"})


@pytest.mark.parametrize("counted", [COUNTED, None])
async def test_an_erased_answer_goes_on_counting_and_leaves_nothing_of_the_person(
    scorer: Scorer, counted: StillCounted | None
) -> None:
    await scorer.take("surveys.answers", answer("a", 2, comment="call me at 555", segments=BRAZIL))
    await scorer.take("surveys.answers", erased("a", 2, counted))
    assert await stored_counts(scorer) == ONE_DETRACTOR
    (row,) = await scorer.query("SELECT revision, day, score, surveyed, erased_group FROM answers")
    assert tuple(row) == (2, START.date(), None, None, "detractor")
    assert not await scorer.query("SELECT * FROM comments")
    assert await counts_of_answers(scorer) == 1


async def test_an_erasure_in_the_batch_of_its_answer_counts_it(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 2, segments=BRAZIL, comment="call me"), erased("a", 2))
    assert await stored_counts(scorer) == ONE_DETRACTOR
    assert not await scorer.query("SELECT * FROM comments")


async def test_an_erasure_counts_the_answer_it_says_though_compaction_removed_that(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", erased("a", 3, COUNTED))
    assert await stored_counts(scorer) == ONE_DETRACTOR


@pytest.mark.parametrize("counted", [COUNTED, None])
async def test_a_late_lower_revision_is_counted_but_brings_nothing_back(
    scorer: Scorer, counted: StillCounted | None
) -> None:
    await scorer.take("surveys.answers", erased("a", 3, counted))
    for _ in range(2):
        await scorer.take("surveys.answers", answer("a", 2, revision=2, comment="terrible", segments=BRAZIL))
        assert await stored_counts(scorer) == ONE_DETRACTOR
    assert not await scorer.query("SELECT * FROM comments")
    (row,) = await scorer.query("SELECT revision, score FROM answers")
    assert tuple(row) == (3, None)


async def test_an_erasure_wins_over_an_answer_of_the_same_revision(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 2, revision=2, comment="terrible", segments=BRAZIL))
    await scorer.take("surveys.answers", erased("a", 2))
    await scorer.take("surveys.answers", answer("a", 2, revision=2, comment="terrible", segments=BRAZIL))
    assert await stored_counts(scorer) == ONE_DETRACTOR
    assert not await scorer.query("SELECT * FROM comments")


async def test_two_ids_with_one_key_in_one_batch_do_not_stop_the_scorer(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("till-1", 9), answer(key_of("till-1"), 9))
    assert await counts_of_answers(scorer) == 1


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
