"""Published scores are fanned out to the listeners of the live stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import orjson
from structlog.testing import capture_logs

from services.scorer.domain.stream import ScoreUpdate
from services.scorer.loops.stream import StreamLoop
from tests.integration.scorer.kit import Scorer, Wanted, answer


async def test_the_stream_gives_each_listener_what_it_asked_for_and_continues_after_a_break(scorer: Scorer) -> None:
    def wanted(update: ScoreUpdate) -> bool:
        return update.segment == "country:BR" and update.window == "7d"

    loop = StreamLoop(scorer.runtime, scorer.stream)
    async with listening(scorer, wanted) as updates:
        await scorer.take("surveys.answers", answer("a", 10, segments={"country": ["BR", "NO"]}))
        await scorer.publish()
        await loop.step()
        update = await anext(updates)
    assert update is not None
    assert (update.segment, update.window, orjson.loads(update.body)["n"]) == ("country:BR", "7d", 1)

    # Two more answers while it is disconnected: it gets the latest score, once.
    for name in ("b", "c"):
        await scorer.take("surveys.answers", answer(name, 0, segments={"country": "BR"}))
        await scorer.publish()
    async with listening(scorer, wanted, update.change) as updates:
        while await loop.step():
            pass
        update = await anext(updates)
        assert update is not None
        assert orjson.loads(update.body)["n"] == 3


async def test_a_position_above_the_newest_is_not_silent_for_ever(scorer: Scorer) -> None:
    """The database was restored from a backup: what is published next has a lower number."""
    loop = StreamLoop(scorer.runtime, scorer.stream)
    await scorer.take("surveys.answers", answer("a", 10))
    await scorer.publish()
    async with listening(scorer, lambda update: update.window == "7d", after=1_000_000) as updates:
        await loop.step()
        while await loop.step():
            pass
        update = await anext(updates)
        assert update is not None and update.change < 1_000_000
        assert orjson.loads(update.body)["n"] == 1


async def test_a_stored_score_that_cannot_be_read_stops_no_other(scorer: Scorer) -> None:
    loop = StreamLoop(scorer.runtime, scorer.stream)
    await scorer.take("surveys.answers", answer("a", 10, segments={"country": ["BR", "NO"]}))
    async with listening(scorer, lambda update: update.window == "7d") as updates:
        await scorer.publish()
        await scorer.change("UPDATE scores SET body = '{' WHERE body LIKE '%country:BR%'")
        await scorer.change("UPDATE scores SET body = '[]' WHERE body LIKE '%everybody%'")
        with capture_logs() as logs:
            for _ in range(3):
                assert not await loop.step()
        update = await anext(updates)
        assert update is not None and update.segment == "country:NO"
    told = [entry for entry in logs if entry["log_level"] == "error"]
    assert len(told) == len({entry["change"] for entry in told}) > 1, "each is told once"


@asynccontextmanager
async def listening(
    scorer: Scorer, wanted: Wanted, after: int | None = None
) -> AsyncIterator[AsyncGenerator[ScoreUpdate | None, None]]:
    listener = await scorer.listener(wanted, after)
    async with aclosing(listener.updates()) as updates, asyncio.timeout(20):
        yield updates
    scorer.stream.leave(listener)
    assert scorer.stream.after is None
