"""How many answers are needed for a margin of error."""

import httpx

from tests.integration.scorer.kit import Scorer, answer


async def test_sample_size_uses_what_was_measured_or_the_worst_case(served: Scorer, client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/sample-size?margin=5")).json()
    assert (body["n"], body["variance"], body["variance_from"], body["have"]) == (1537, 1, "largest possible", 0)
    await served.take("surveys.answers", *(answer(f"a{number}", 7 if number % 2 else 10) for number in range(100)))
    body = (await client.get("/v1/sample-size?margin=5")).json()
    # Half promoters, half passives: V = ½ − ¼.
    assert (body["n"], body["variance"], body["have"]) == (385, 0.25, 100)
