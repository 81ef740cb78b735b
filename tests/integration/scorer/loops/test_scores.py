"""The publisher's throttling."""

from services.scorer.loops.scores import ScoreLoop
from tests.integration.scorer.kit import Scorer, answer, take_published


async def test_after_publishing_it_rests_and_leaves_what_comes_meanwhile_for_later(scorer: Scorer) -> None:
    loop = ScoreLoop(scorer.runtime)
    await scorer.take("surveys.answers", answer("a", 10))
    assert not await loop.step()
    assert (await take_published(scorer))["*", "7d", "everybody"].n == 1
    await scorer.take("surveys.answers", answer("b", 10))
    assert not await loop.step()
    assert await take_published(scorer) == {}
