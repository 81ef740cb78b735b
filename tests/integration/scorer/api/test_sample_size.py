"""How many answers are needed for a margin of error."""

import httpx
import pytest

from tests.integration.scorer.kit import Scorer, answer


async def test_sample_size_uses_what_was_measured_or_the_worst_case(served: Scorer, client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/sample-size?margin=5")).json()
    assert (body["n"], body["variance"], body["variance_from"], body["have"]) == (1537, 1, "largest possible", 0)
    await served.take("surveys.answers", *(answer(f"a{number}", 7 if number % 2 else 10) for number in range(100)))
    body = (await client.get("/v1/sample-size?margin=5")).json()
    # Half promoters, half passives, adjusted: 50.75/103 and 0.75/103, so that V = 0.5 − 0.4854² = 0.2644.
    assert (body["n"], body["have"]) == (407, 100)
    assert body["variance"] == pytest.approx(0.2644, abs=0.00005)


async def test_unanimity_is_not_certainty(served: Scorer, client: httpx.AsyncClient) -> None:
    await served.take("surveys.answers", *(answer(f"a{number}", 10) for number in range(10)))
    assert (await client.get("/v1/sample-size?margin=5")).json()["n"] == 451
