"""A link that was damaged on its way gets an explanatory page, not a bare error."""

import pytest

from tests.integration.collector.kit import Collector, seen


@pytest.mark.parametrize(
    "path", ["/s/", "/s/{}/", "/s/{}/x", "/s/{}%2F..%2Fmetrics", "/unsubscribe/", "/unsubscribe/{}/"]
)
async def test_a_link_without_its_token_or_with_a_tail_is_a_page_too(collector: Collector, path: str) -> None:
    """Nor is it redirected to a URL built from headers, which behind a proxy would expose the token."""
    await collector.send()
    address = path.format(collector.runtime.links.token("answer", "s-1"))
    for response in (await collector.client.get(address), await collector.client.post(address, data={"score": "1"})):
        assert response.status_code == 404
        assert "This link does not work" in seen(response)
    program = await collector.client.post(address, json={"score": 1})
    assert (program.status_code, program.headers["content-type"]) == (404, "application/problem+json")
    assert await collector.outbox() == []
