"""The publisher's throttling, and what it does about scores that cannot be made."""

import pytest
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

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


async def test_a_segment_whose_score_cannot_be_made_stops_no_other(scorer: Scorer) -> None:
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


async def test_when_no_score_can_be_made_the_fault_is_ours_and_nothing_is_left_out(scorer: Scorer) -> None:
    await scorer.take("surveys.answers", *(answer(f"a-{n}", 10, segments={"country": code}) for n, code in CODES))
    await scorer.publish()
    for segment in ("everybody", "country:BR", "country:NO", "country:PT"):
        await spoil(scorer, segment)
    await scorer.take("surveys.answers", *(answer(f"b-{n}", 0, segments={"country": code}) for n, code in CODES))
    with pytest.raises(DBAPIError):
        await ScoreLoop(scorer.runtime).step()
    (marked,) = await scorer.query("SELECT count(DISTINCT segment_id) AS n FROM day_counts WHERE changed")
    assert marked.n == 4


CODES = list(enumerate(("BR", "NO", "PT")))


async def spoil(scorer: Scorer, segment: str) -> None:
    """Lets no further score of the segment be stored: the number of its next publication is too large."""
    await scorer.change(
        "UPDATE scores SET sequence = 2147483647 WHERE body::json->>'segment' = :segment", segment=segment
    )
