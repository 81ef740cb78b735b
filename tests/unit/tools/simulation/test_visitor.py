"""A simulated visitor retries an answer until it is acknowledged, rejected, or out of time."""

import httpx
import pytest

from tools.simulation.visitor import Acknowledgement, NotAcknowledged, Visitor


async def test_an_answer_is_retried_until_it_is_acknowledged() -> None:
    taken = httpx.Response(202, json={"answer_id": "a", "revision": 2})
    replies = iter([None, httpx.Response(503), httpx.Response(500), taken])

    def collector(_request: httpx.Request) -> httpx.Response:
        reply = next(replies)
        if reply is None:
            raise httpx.ConnectError("refused")
        return reply

    async with httpx.AsyncClient(transport=httpx.MockTransport(collector)) as client:
        assert await Visitor(client).answer("http://c/s/t", 7, comment="Fine") == Acknowledgement("a", 2)


async def test_a_rejected_answer_is_not_retried() -> None:
    asked = 0

    def collector(_request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        return httpx.Response(410, text="The survey has closed")

    async with httpx.AsyncClient(transport=httpx.MockTransport(collector)) as client:
        with pytest.raises(NotAcknowledged, match="410"):
            await Visitor(client).answer("http://c/s/t", 7)
    assert asked == 1


async def test_retries_end_with_the_timeout() -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503))) as client:
        with pytest.raises(NotAcknowledged, match="status 503"):
            await Visitor(client, timeout_seconds=0).answer("http://c/s/t", 7)
