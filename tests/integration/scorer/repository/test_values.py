"""Values are the same whether they are read from the day counts or from the sums that are kept for publishing."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.scorer.domain.windows import day_of
from services.scorer.repository import publisher
from shared.contracts.scores import WINDOW_DAYS, WINDOWS
from tests.integration.scorer.kit import START, Scorer, answer
from tests.integration.scorer.sample import COUNTRIES, count, fill, shown


async def uses_sums(scorer: Scorer) -> bool:
    async with scorer.runtime.read_only() as connection:
        return await publisher.sums_are_of(connection, day_of(scorer.clock.now(), scorer.runtime.settings.zone))


@pytest.mark.parametrize("campaign", [None, "service-nps"])
async def test_values_are_exact_before_and_after_their_sums_are_made_and_on_the_next_day(
    served: Scorer, client: httpx.AsyncClient, campaign: str | None
) -> None:
    given = await fill(served)
    asked = {"campaign": campaign} if campaign else {}

    async def are_right(days_later: int = 0) -> None:
        for window in WINDOWS:
            body = (
                await client.get("/v1/nps/compare", params={"dimension": "country", "window": window, **asked})
            ).json()
            expected = {
                country: count(given, WINDOW_DAYS[window], -days_later, country=country, **asked)
                for country in COUNTRIES
            }
            assert {item["value"]: shown(item) for item in body["items"]} == {
                country: counts for country, counts in expected.items() if counts.n
            }, window

    assert not await uses_sums(served)
    await are_right()
    await served.publish()
    assert await uses_sums(served)
    await are_right()
    more: list[dict[str, Any]] = [
        {"score": score, "at": START - timedelta(days=score), "campaign": "service-nps",
         "segments": {"country": "BR", "category": "toys"}}
        for score in (0, 7, 10)
    ]  # fmt: skip
    await served.take(
        "surveys.answers",
        *(
            answer(
                f"more {one['score']}", one["score"], at=one["at"], campaign=one["campaign"], segments=one["segments"]
            )
            for one in more
        ),
        # Not before tomorrow.
        answer("early", 0, at=START + timedelta(days=1), campaign="service-nps", segments={"country": "BR"}),
    )
    given += more
    assert await uses_sums(served), "what is not folded yet is added"
    await are_right()
    given.append({"score": 0, "at": START + timedelta(days=1), "campaign": "service-nps",
                  "segments": {"country": "BR", "category": []}})  # fmt: skip
    served.clock.step_to(START + timedelta(days=1))
    assert not await uses_sums(served)
    await are_right(days_later=1)
    await served.publish()
    assert await uses_sums(served)
    await are_right(days_later=1)
