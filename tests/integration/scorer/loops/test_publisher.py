"""``nps.scores`` and the live stream: what is published, when, and never an older figure over a newer one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from starlette.types import Message

from services.scorer.loops.stream import Live, Score, Wanted
from services.scorer.repository import scores as publication
from shared.contracts import deliveries, sends
from shared.contracts.deliveries import Delivery
from shared.contracts.scores import ScoreUpdated
from shared.contracts.sends import Recipient, SurveySent
from shared.nps import Counts, net_promoter_score
from tests.integration.scorer.conftest import START, Event, Scorer, StartScorer, answer, erased, message

Key = tuple[str, str, str]


async def take_published(scorer: Scorer) -> dict[Key, ScoreUpdated]:
    """What the last publication put into the outbox, which is emptied."""
    rows = await scorer.query("SELECT value FROM outbox ORDER BY id")
    async with scorer.runtime.transaction() as connection:
        await connection.exec_driver_sql("DELETE FROM outbox")
    bodies = [ScoreUpdated.model_validate_json(row.value) for row in rows]
    return {(body.campaign, body.window, body.segment): body for body in bodies}


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
    body = (await take_published(scorer))["*", "7d", "everybody"]
    assert (body.sequence, body.nps, body.n) == (3, None, 0)


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
        assert await publication.take_turn(connection)
        assert not await other.publisher.publish()
        assert await take_published(other) == {}
    await other.publish()
    assert (await take_published(other))["*", "all", "everybody"].n == 1


async def test_counts_being_written_while_others_are_published_are_published_next(start_scorer: StartScorer) -> None:
    one, other = await start_scorer(), await start_scorer()
    await one.take("surveys.answers", answer("a", 10))
    async with one.runtime.transaction() as connection:
        kind, body = answer("b", 10)
        await one.handlers.answers(connection, [message("surveys.answers", kind, body)])
        async with asyncio.timeout(20):  # must neither wait for the open batch nor forget it
            await other.publish()
        assert (await take_published(other))["*", "all", "everybody"].n == 1
    await other.publish()
    assert (await take_published(other))["*", "all", "everybody"].n == 2


def survey(send_id: str, **more: Any) -> Event:
    return sends.SENT, SurveySent.model_validate(
        {
            "send_id": send_id,
            "campaign": "service-nps",
            "campaign_version": 1,
            "channel": "email",
            "locale": "en",
            "customer_id": "c",
            "recipient": Recipient(address="somebody@example.com"),
            "segments": {"country": "BR"},
            "answer_url": "https://example.com/s/x",
            "unsubscribe_url": "https://example.com/unsubscribe/x",
            "due_at": START,
            "sent_at": START,
            "expires_at": START,
            **more,
        }
    )


def delivery(kind: str, send_id: str) -> Event:
    return kind, Delivery(send_id=send_id, channel="email", provider="smtp", occurred_at=START)


async def test_response_rate_is_answers_over_delivered_in_whatever_order_events_come(scorer: Scorer) -> None:
    await scorer.take("surveys.deliveries", *(delivery(deliveries.ACCEPTED, f"s{number}") for number in range(4)))
    await scorer.take("surveys.sends", *(survey(f"s{number}") for number in range(6)))
    await scorer.take("surveys.sends", survey("s0"), (sends.REMINDED, survey("s1")[1]))
    await scorer.take("surveys.deliveries", delivery(deliveries.ACCEPTED, "s4"), delivery(deliveries.OPENED, "s5"))
    await scorer.take("surveys.deliveries", delivery(deliveries.BOUNCED, "s4"), delivery(deliveries.ACCEPTED, "s0"))
    await scorer.take(
        "surveys.answers",
        answer("a", 10, send_id="s0", campaign="service-nps", segments={"country": "BR"}),
        answer("unasked", 10, campaign="service-nps", segments={"country": "BR"}),
    )
    await scorer.publish()
    body = (await take_published(scorer))["service-nps", "7d", "country:BR"]
    assert (body.n, body.delivered, body.response_rate) == (2, 4, 0.25)


async def test_the_stream_gives_each_listener_what_it_asked_for_and_continues_after_a_break(scorer: Scorer) -> None:
    def wanted(score: Score) -> bool:
        return bool(score["segment"] == "country:BR" and score["window"] == "7d")

    async with listening(scorer, wanted) as updates:
        await scorer.take("surveys.answers", answer("a", 10, segments={"country": ["BR", "NO"]}))
        await scorer.publish()
        await scorer.stream.poll()
        update = await anext(updates)
    assert update is not None
    change, score = update
    assert (score["segment"], score["window"], score["n"]) == ("country:BR", "7d", 1)

    # Two more answers while it is away: it sees the score as it stands by then, once.
    for name in ("b", "c"):
        await scorer.take("surveys.answers", answer(name, 0, segments={"country": "BR"}))
        await scorer.publish()
    async with listening(scorer, wanted, change) as updates:
        while await scorer.stream.poll():
            pass
        update = await anext(updates)
        assert update is not None
        assert update[1]["n"] == 3


async def test_one_listener_too_many_is_refused_however_many_come_at_once(start_scorer: StartScorer) -> None:
    scorer = await start_scorer(stream_clients=3)
    entered = await asyncio.gather(*(scorer.stream.enter(lambda _score: True) for _ in range(8)))
    listeners = [listener for listener in entered if listener is not None]
    assert len(listeners) == 3
    scorer.stream.leave(listeners[0])
    assert await scorer.stream.enter(lambda _score: True) is not None


async def test_who_reads_nothing_costs_no_more_than_so_many_updates_and_is_let_go(scorer: Scorer) -> None:
    listener = await scorer.stream.enter(lambda _score: True)
    assert listener is not None
    most = 0
    for number in range(3_000):
        listener.offer(number + 1, {"campaign": "*", "window": "7d", "segment": f"country:{number}"})
        most = max(most, len(listener.pending))
    assert most <= 2_001
    assert listener.ended and not listener.pending


async def test_a_client_that_takes_nothing_does_not_keep_the_process_from_stopping(scorer: Scorer) -> None:
    listener = await scorer.stream.enter(lambda _score: True)
    assert listener is not None
    took_the_first_bytes = asyncio.Event()

    async def silent() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            took_the_first_bytes.set()
            await asyncio.Event().wait()

    async with asyncio.timeout(20):
        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        response = asyncio.create_task(Live(scorer.stream, listener)(scope, silent, stuck))
        await took_the_first_bytes.wait()
        await scorer.stream.close()
        await response
    assert scorer.stream.listeners == 0
    assert await scorer.stream.enter(lambda _score: True) is None


async def test_stream_events_are_server_sent_events(scorer: Scorer) -> None:
    listener = await scorer.stream.enter(lambda score: bool(score["window"] == "all"))
    assert listener is not None
    response = Live(scorer.stream, listener)
    async with asyncio.timeout(20):
        text = response.events
        assert await anext(text) == b"retry: 2000\n\n"
        await scorer.take("surveys.answers", answer("a", 7))
        await scorer.publish()
        await scorer.stream.poll()
        lines = (await anext(text)).decode().split("\n")
        await scorer.stream.close()
        assert [rest async for rest in text] == []
    assert lines[0].startswith("id: ")
    assert lines[1] == "event: score.updated"
    assert orjson.loads(lines[2].removeprefix("data: "))["passives"] == 1
    assert lines[3:] == ["", ""]


@asynccontextmanager
async def listening(
    scorer: Scorer, wanted: Wanted, after: int | None = None
) -> AsyncIterator[AsyncGenerator[tuple[int, Score] | None, None]]:
    listener = await scorer.stream.enter(wanted, after)
    assert listener is not None
    async with aclosing(scorer.stream.listen(listener)) as updates, asyncio.timeout(20):
        yield updates
    scorer.stream.leave(listener)
    assert scorer.stream.listeners == 0
