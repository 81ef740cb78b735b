"""``nps.scores``: what is published, when, and never a stale score over a newer one."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.scorer.actions import scores
from services.scorer.actions.day_counts import fold_changes
from services.scorer.actions.scores import publish_everybody, publish_oldest
from services.scorer.repository import publisher, window_sums
from shared.nps import Counts, net_promoter_score
from tests.integration.scorer.kit import START, Scorer, StartScorer, answer, erased, take_published
from tests.kit.messages import message


async def test_every_window_segment_and_campaign_of_an_answer_is_published_once(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10, campaign="service-nps", segments={"country": "BR"}))
    await scorer.publish()
    published = await take_published(scorer)
    assert published.keys() == {
        (campaign, window, segment)
        for campaign in ("*", "service-nps")
        for window in ("7d", "30d", "90d", "365d", "all")
        for segment in ("everybody", "country:BR")
    }
    expected = net_promoter_score(Counts(promoters=1))
    body = published["service-nps", "30d", "country:BR"]
    assert (body.nps, body.low, body.high, body.n) == (100, expected.low, expected.high, 1)
    assert body.held_back
    assert body.sequence == 1
    await scorer.publish()
    assert await take_published(scorer) == {}


async def test_an_amended_answer_is_published_with_the_next_sequence(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()
    await take_published(scorer)
    await scorer.take("surveys.answers", answer("a", 0, revision=2))
    await scorer.publish()
    body = (await take_published(scorer))["*", "7d", "everybody"]
    assert (body.sequence, body.nps, body.n) == (2, -100, 1)
    await scorer.take("surveys.answers", erased("a", 3))
    await scorer.publish()
    assert await take_published(scorer) == {}, "an erased answer goes on counting"


async def test_a_score_falls_out_of_its_window_when_days_pass_without_answers(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10, segments={"country": "BR"}))
    await scorer.publish()
    await take_published(scorer)
    scorer.clock.step_to(START + timedelta(days=6))
    await scorer.publish()
    assert await take_published(scorer) == {}
    scorer.clock.step_to(START + timedelta(days=7))
    await scorer.publish()
    published = await take_published(scorer)
    assert {(key, body.n, body.nps) for key, body in published.items()} == {
        (("*", "7d", segment), 0, None) for segment in ("everybody", "country:BR")
    }
    assert published["*", "7d", "everybody"].at == START + timedelta(days=7)


async def test_days_missed_while_nobody_ran_are_caught_up(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()
    await take_published(scorer)
    scorer.clock.step_to(START + timedelta(days=400))
    await scorer.publish()
    published = await take_published(scorer)
    assert {window for _, window, _ in published} == {"7d", "30d", "90d", "365d"}
    assert {body.n for body in published.values()} == {0}


async def test_an_answer_from_tomorrow_counts_from_tomorrow_on(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10, at=START + timedelta(days=1)))
    await scorer.publish()
    assert await take_published(scorer) == {}
    scorer.clock.step_to(START + timedelta(days=1))
    await scorer.publish()
    assert (await take_published(scorer))["*", "7d", "everybody"].n == 1


async def test_the_day_turns_in_the_shops_zone(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(timezone="Asia/Seoul")
    # 1 March 14:00 UTC is 23:00 in Seoul; the seventh day after it ends there at 15:00 UTC.
    await scorer.take("surveys.answers", answer("a", 10, at=datetime(2026, 3, 1, 14, tzinfo=UTC)))
    scorer.clock.step_to(datetime(2026, 3, 7, 14, 59, tzinfo=UTC))
    await scorer.publish()
    assert (await take_published(scorer))["*", "7d", "everybody"].n == 1
    scorer.clock.step_to(datetime(2026, 3, 7, 15, 0, tzinfo=UTC))
    await scorer.publish()
    assert (await take_published(scorer))["*", "7d", "everybody"].n == 0


async def test_change_against_the_window_before_and_whether_it_is_real(scorer: Scorer) -> None:
    before = START - timedelta(days=10)
    await scorer.take("surveys.answers", *(answer(f"old {number}", 3, at=before) for number in range(60)))
    await scorer.take("surveys.answers", *(answer(f"new {number}", 10) for number in range(60)))
    await scorer.publish()
    published = await take_published(scorer)
    week, month = published["*", "7d", "everybody"], published["*", "30d", "everybody"]
    assert (week.change, week.change_significant) == (200, True)
    assert (month.change, month.change_significant) == (None, None)


async def test_a_publisher_at_work_keeps_others_from_publishing(start_scorer: StartScorer) -> None:
    one, other = await start_scorer(), await start_scorer()
    await one.take("surveys.answers", answer("a", 10))
    async with one.runtime.transaction() as connection:
        assert await publisher.take_turn(connection)
        await other.publish()
        assert await take_published(other) == {}
    await other.publish()
    assert (await take_published(other))["*", "all", "everybody"].n == 1


async def test_counts_being_written_while_others_are_published_are_published_next(start_scorer: StartScorer) -> None:
    one, other = await start_scorer(), await start_scorer()
    await one.take("surveys.answers", answer("a", 10))
    async with one.runtime.transaction() as connection:
        kind, body = answer("b", 10)
        await one.handler(connection, [message("surveys.answers", kind, body)])
        async with asyncio.timeout(20):  # must neither wait for the open batch nor miss it
            await other.publish()
        assert (await take_published(other))["*", "all", "everybody"].n == 1
    await other.publish()
    assert (await take_published(other))["*", "all", "everybody"].n == 2


class FixedClock:
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


async def test_two_clocks_apart_at_midnight_do_not_publish_in_turn(start_scorer: StartScorer) -> None:
    ahead, behind = await start_scorer(), await start_scorer()
    await ahead.take("surveys.answers", answer("a", 10, at=START - timedelta(days=6)), answer("today", 10))
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    ahead.runtime.clock, behind.runtime.clock = (FixedClock(midnight + timedelta(seconds=sign)) for sign in (1, -1))
    await ahead.publish()
    published = await take_published(ahead)
    assert (published["*", "30d", "everybody"].n, published["*", "7d", "everybody"].n) == (2, 1)
    for scorer in (behind, ahead, behind):
        await scorer.publish()
        assert await take_published(scorer) == {}
    # What the one behind publishes is of the day that began already.
    await behind.take("surveys.answers", answer("b", 10, at=START - timedelta(days=6)))
    await behind.publish()
    published = await take_published(behind)
    assert (published["*", "30d", "everybody"].n, published["*", "7d", "everybody"].n) == (3, 1)
    assert published["*", "30d", "everybody"].at == midnight


async def test_a_clock_that_was_far_ahead_is_not_believed_for_ever(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    scorer.runtime.clock = FixedClock(START + timedelta(days=20_000))
    await scorer.publish()
    await take_published(scorer)
    scorer.runtime.clock = scorer.clock
    await scorer.publish()
    assert (await take_published(scorer))["*", "7d", "everybody"].n == 1


async def test_everybodys_scores_of_all_campaigns_come_first_and_not_all_at_once(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "_AT_ONCE", 2)
    for campaign in ("first", "second", "third"):
        await scorer.take("surveys.answers", answer(campaign, 10, campaign=campaign))
        await fold_changes(scorer.runtime)
    await scorer.change("UPDATE window_sums SET waiting_since = clock_timestamp() WHERE campaign_id = -1")
    for expected in ({"*", "first"}, {"second", "third"}, set()):
        await publish_everybody(scorer.runtime)
        assert {campaign for campaign, _, _ in await take_published(scorer)} == expected


async def test_those_of_everybody_that_did_not_come_first_are_published_with_the_others(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "_AT_ONCE", 2)
    await scorer.take(
        "surveys.answers", *(answer(campaign, 10, campaign=campaign) for campaign in ("first", "second", "third"))
    )
    await scorer.publish()
    assert {campaign for campaign, _, _ in await take_published(scorer)} == {"*", "first", "second", "third"}


@pytest.mark.parametrize(
    ("publish", "read"), [(publish_everybody, "of_everybody"), (publish_oldest, "oldest")], ids=["everybody", "oldest"]
)
async def test_a_fault_of_our_own_is_not_passed_over(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch, publish: Callable[[Any], Awaitable[Any]], read: str
) -> None:
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()

    async def fail(*_: object, **__: object) -> list[object]:
        raise TypeError("a mistake of ours")

    monkeypatch.setattr(window_sums, read, fail)
    with pytest.raises(TypeError, match="ours"):
        await publish(scorer.runtime)


async def test_another_minimum_reaches_scores_that_do_not_change_when_a_day_begins(start_scorer: StartScorer) -> None:
    before, after = await start_scorer(minimum_answers=10), await start_scorer(minimum_answers=5)
    await before.take("surveys.answers", *(answer(f"{n}", 10, segments={"country": "BR"}) for n in range(6)))
    await before.publish()
    assert {body.held_back for body in (await take_published(before)).values()} == {True}
    after.clock.step_to(START + timedelta(days=1))
    await after.publish()
    published = await take_published(after)
    assert len(published) == 2 * 5
    assert {(body.held_back, body.sequence) for body in published.values()} == {(False, 2)}
    after.clock.step_to(START + timedelta(days=2))
    await after.publish()
    assert await take_published(after) == {}
