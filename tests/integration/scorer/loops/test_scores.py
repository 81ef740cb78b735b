"""What a round of the publisher does, in which order, and what it does about scores that cannot be made."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from asyncpg.exceptions import QueryCanceledError
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from services.scorer.actions import scores
from services.scorer.actions.day_counts import fold_changes
from services.scorer.loops import scores as loop_of_scores
from services.scorer.loops.scores import ScoreLoop, work_seconds
from services.scorer.repository import publisher
from shared import metrics
from tests.integration.scorer.kit import ALL_COUNTS, START, Scorer, StartScorer, answer, take_published

UNHURRIED = 60.0
"""Seconds between two rounds: one may then take seconds, which nothing here does."""


async def test_a_round_publishes_what_came_and_the_next_one_what_came_meanwhile(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(publish_seconds=UNHURRIED)
    loop = ScoreLoop(scorer.runtime)
    await scorer.take("surveys.answers", answer("a", 10, segments={"country": "BR"}))
    assert not await loop.step()
    published = await take_published(scorer)
    assert published["*", "7d", "everybody"].n == published["*", "7d", "country:BR"].n == 1
    await scorer.take("surveys.answers", answer("b", 10))
    assert not await loop.step()
    assert (await take_published(scorer))["*", "7d", "everybody"].n == 2
    assert not await loop.step()
    assert await take_published(scorer) == {}


async def test_everybody_comes_first_then_what_waits_longest(
    start_scorer: StartScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "_AT_ONCE", 1)
    scorer = await start_scorer(publish_seconds=0.0001)  # no time for more than the one that every round publishes
    await scorer.publish()
    for code in ("SE", "BR", "NO"):
        await scorer.take("surveys.answers", answer(code, 10, segments={"country": code}))
        await fold_changes(scorer.runtime)
    for published in (["everybody", "country:SE"], ["country:BR"], ["country:NO"], []):
        await ScoreLoop(scorer.runtime).step()
        assert list(dict.fromkeys(segment for _, _, segment in await take_published(scorer))) == published


async def test_the_beginning_of_a_day_is_worked_off_by_the_loop(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(publish_seconds=UNHURRIED)
    loop = ScoreLoop(scorer.runtime)
    await scorer.take("surveys.answers", answer("a", 10, segments={"country": "BR"}))
    await loop.step()
    await take_published(scorer)
    scorer.clock.step_to(START + timedelta(days=7))
    await loop.step()
    published = await take_published(scorer)
    assert {(key, body.n) for key, body in published.items()} == {
        (("*", "7d", segment), 0) for segment in ("everybody", "country:BR")
    }


async def test_nothing_to_do_takes_no_turn(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = ScoreLoop(scorer.runtime)
    await loop.step()

    async def take_turn(_connection: object) -> bool:
        raise AssertionError("there is nothing to do")

    monkeypatch.setattr(publisher, "take_turn", take_turn)
    for _ in range(3):
        assert not await loop.step()
    await scorer.take("surveys.answers", answer("a", 10))
    with pytest.raises(AssertionError, match="nothing to do"):
        await loop.step()


async def test_the_age_of_the_oldest_is_told(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()
    await scorer.change("UPDATE window_sums SET waiting_since = clock_timestamp() - interval '40 seconds'")
    await scorer.change("UPDATE publisher SET published_to = 'epoch'")
    await ScoreLoop(scorer.runtime).step()
    assert 40 <= metrics.score_age_seconds._value.get() < 60


async def test_the_age_grows_while_changes_cannot_be_folded(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else would tell that no score is published any more."""
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(loop_of_scores, "time", SimpleNamespace(monotonic=lambda: clock.now))

    async def fail(*_: object, **__: object) -> bool:
        raise OSError

    loop = ScoreLoop(scorer.runtime)
    await loop.step()
    await scorer.take("surveys.answers", answer("a", 10))
    with monkeypatch.context() as broken:
        broken.setattr(loop_of_scores, "fold_changes", fail)
        for age in (0, 40, 80):
            with pytest.raises(OSError):
                await loop.step()
            assert metrics.score_age_seconds._value.get() == age
            clock.now += 40
    await loop.step()
    await loop.step()
    assert metrics.score_age_seconds._value.get() == 0


async def test_changes_that_another_process_folds_are_not_stuck(
    start_scorer: StartScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, waiting = await start_scorer(), await start_scorer()
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(loop_of_scores, "time", SimpleNamespace(monotonic=lambda: clock.now))

    async def not_our_turn(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(loop_of_scores, "fold_changes", not_our_turn)
    loop = ScoreLoop(waiting.runtime)
    for number in range(3):
        await working.take("surveys.answers", answer(f"a {number}", 10))
        await loop.step()
        assert metrics.score_age_seconds._value.get() < 40
        await working.publish()
        clock.now += 40


async def test_a_fold_that_took_too_long_is_followed_by_a_smaller_one(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    async def fold(_runtime: object, *, most: int) -> bool:
        tried.append(most)
        if most > 3_000:
            raise DBAPIError(None, None, QueryCanceledError("canceling statement due to statement timeout"))
        return False

    monkeypatch.setattr(loop_of_scores, "fold_changes", fold)
    await scorer.take("surveys.answers", answer("a", 10))
    loop = ScoreLoop(scorer.runtime)
    for _ in range(2):
        with pytest.raises(DBAPIError):
            await loop.step()
    await loop.step()
    with pytest.raises(DBAPIError):
        await loop.step()
    assert tried == [10_000, 5_000, 2_500, 5_000]


def test_the_older_the_oldest_the_longer_a_round_may_take() -> None:
    works = [work_seconds(age, pause=0.5) for age in (0, 5, 10, 20, 60)]
    assert works == sorted(works)
    assert works[0] == pytest.approx(0.5 / 9)
    assert works[-1] == works[-2] == pytest.approx(0.5)


def test_no_round_takes_so_long_that_the_process_counts_as_dead() -> None:
    assert work_seconds(60, pause=60) == 10


async def test_a_segment_whose_score_cannot_be_made_stops_no_other(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(publish_seconds=UNHURRIED)
    loop = ScoreLoop(scorer.runtime)
    await scorer.take("surveys.answers", *(answer(f"a-{n}", 10, segments={"country": code}) for n, code in CODES))
    await scorer.publish()
    await take_published(scorer)
    await spoil(scorer, "country:NO")
    await scorer.take("surveys.answers", *(answer(f"b-{n}", 0, segments={"country": code}) for n, code in CODES))
    with capture_logs() as logs:
        assert not await loop.step()
    published = await take_published(scorer)
    assert {segment for _, _, segment in published} == {"everybody", "country:BR", "country:PT"}
    (told,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert told["segment_id"] and told["error"]

    # It is not tried, nor told, again before it changes; once it can be made it is.
    with capture_logs() as logs:
        await scorer.publish()
    assert (logs, await take_published(scorer)) == ([], {})
    await scorer.change("UPDATE scores SET sequence = 7 WHERE sequence = 2147483647")
    await scorer.take("surveys.answers", answer("c-1", 0, segments={"country": "NO"}))
    await scorer.publish()
    assert (await take_published(scorer))["*", "7d", "country:NO"].n == 3


async def test_everybody_whose_score_cannot_be_made_stops_no_other(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(publish_seconds=UNHURRIED)
    await scorer.take("surveys.answers", *(answer(f"a-{n}", 10, segments={"country": code}) for n, code in CODES))
    await scorer.publish()
    await take_published(scorer)
    await spoil(scorer, "everybody")
    await scorer.take("surveys.answers", *(answer(f"b-{n}", 0, segments={"country": code}) for n, code in CODES))
    with capture_logs() as logs:
        assert not await ScoreLoop(scorer.runtime).step()
    assert [entry["segment_id"] for entry in logs if entry["log_level"] == "error"] == [0]
    published = await take_published(scorer)
    assert {segment for _, _, segment in published} == {f"country:{code}" for _, code in CODES}


async def test_when_no_score_can_be_made_the_fault_is_ours_and_nothing_is_left_out(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", *(answer(f"a-{n}", 10, segments={"country": code}) for n, code in CODES))
    await scorer.publish()
    for segment in ("everybody", "country:BR", "country:NO", "country:PT"):
        await spoil(scorer, segment)
    await scorer.take("surveys.answers", *(answer(f"b-{n}", 0, segments={"country": code}) for n, code in CODES))
    with pytest.raises(DBAPIError):
        await ScoreLoop(scorer.runtime).step()
    (waiting,) = await scorer.query("SELECT count(*) AS n FROM window_sums WHERE waiting_since IS NOT NULL")
    assert waiting.n == 4


async def test_a_change_that_cannot_be_folded_stops_no_other(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(publish_seconds=UNHURRIED)
    loop = ScoreLoop(scorer.runtime)
    await scorer.take("surveys.answers", *(answer(f"a-{n}", 10, segments={"country": code}) for n, code in CODES))
    await scorer.publish()
    await take_published(scorer)
    await overfill(scorer, "NO")
    await scorer.take("surveys.answers", *(answer(f"b-{n}", 10, segments={"country": code}) for n, code in CODES))
    with capture_logs() as logs:
        assert not await loop.step()
    published = await take_published(scorer)
    assert {(segment, published["*", "7d", segment].n) for _, _, segment in published} == {
        ("everybody", 6),
        ("country:BR", 2),
        ("country:PT", 2),
    }
    (told,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert told["segment_id"] and told["day"] == "2026-03-01" and told["error"]

    # It is counted wherever the day counts are read, and nothing is left to do.
    (counted,) = await scorer.query(
        f"SELECT promoters FROM ({ALL_COUNTS}) AS counted JOIN segments ON id = segment_id WHERE value = 'NO'"
    )
    assert counted.promoters == LARGEST + 1
    with capture_logs() as logs:
        assert not await loop.step()
    assert (logs, await take_published(scorer)) == ([], {})

    # Once what is stored is right again, it can be folded.
    await overfill(scorer, "NO", counted=1)
    await scorer.change("UPDATE day_changes SET transaction = pg_current_xact_id() WHERE transaction IS NULL")
    await loop.step()
    assert (await take_published(scorer))["*", "7d", "country:NO"].n == 2


async def test_when_no_change_can_be_folded_the_fault_is_ours_and_nothing_is_set_aside(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", *(answer(f"a-{n}", 10, segments={"country": code}) for n, code in CODES))
    await scorer.publish()
    for value in ("everybody", "BR", "NO", "PT"):
        await overfill(scorer, value)
    await scorer.take("surveys.answers", *(answer(f"b-{n}", 10, segments={"country": code}) for n, code in CODES))
    with pytest.raises(DBAPIError):
        await ScoreLoop(scorer.runtime).step()
    (left,) = await scorer.query("SELECT count(*) AS n, count(transaction) AS to_fold FROM day_changes")
    assert (left.n, left.to_fold) == (4, 4)


CODES = list(enumerate(("BR", "NO", "PT")))
LARGEST = 2**31 - 1


async def overfill(scorer: Scorer, value: str, *, counted: int = LARGEST) -> None:
    """As many promoters are counted in the segment that one more cannot be stored."""
    await scorer.change(
        """
        UPDATE day_counts SET promoters = :counted FROM segments WHERE segments.id = segment_id AND value = :value
        """,
        counted=counted,
        value=value,
    )


async def spoil(scorer: Scorer, segment: str) -> None:
    """Lets no further score of the segment be stored: the number of its next publication is too large."""
    await scorer.change(
        "UPDATE scores SET sequence = 2147483647 WHERE body::json->>'segment' = :segment", segment=segment
    )
