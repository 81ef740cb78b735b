"""The live stream as server-sent events, with fast, slow, stalled and too many clients."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.types import Message

from services.scorer.api.stream import LiveResponse
from services.scorer.loops.stream import StreamLoop
from services.scorer.wiring import build
from tests.integration.scorer.kit import Scorer, answer
from tests.kit.eventually import until
from tests.kit.settings import KEY

STREAM = {
    "type": "http",
    "method": "GET",
    "path": "/v1/stream",
    "query_string": b"",
    "headers": [(b"authorization", f"Bearer {KEY}".encode())],
}


async def always() -> bool:
    return True


async def test_one_listener_too_many_is_refused_however_many_come_at_once(served: Scorer) -> None:
    served.runtime.settings.stream_clients = 3
    service = build(served.runtime)
    statuses: list[int] = []
    gone = asyncio.Event()

    async def ask(*, until: asyncio.Event | None = None) -> None:
        async def receive() -> Message:
            await (until or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await service.app(dict[str, Any](STREAM), receive, send)

    async with asyncio.timeout(20), asyncio.TaskGroup() as clients:
        tasks = [clients.create_task(ask(until=gone)) for _ in range(8)]
        await until(lambda: len(statuses) == 8, lambda: f"8 responses, not {len(statuses)}", within=20)
        assert sorted(statuses) == [200] * 3 + [503] * 5
        gone.set()
        await asyncio.gather(*tasks)
        statuses.clear()
        clients.create_task(ask())
        await until(lambda: bool(statuses), "a response", within=20)
        assert service.close is not None
        await service.close()
    assert statuses == [200]


async def test_a_client_that_takes_nothing_does_not_keep_the_process_from_stopping(scorer: Scorer) -> None:
    listener = await scorer.listener(lambda _update: True)
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
        response = asyncio.create_task(LiveResponse(scorer.stream, listener, always)(scope, silent, stuck))
        await took_the_first_bytes.wait()
        await scorer.stream.close()
        await response
    assert scorer.stream.after is None
    assert scorer.stream.enter(lambda _update: True, after=0) is None


async def test_stream_events_are_server_sent_events(scorer: Scorer) -> None:
    listener = await scorer.listener(lambda update: update.window == "all")
    response = LiveResponse(scorer.stream, listener, always)
    async with asyncio.timeout(20):
        text = response.events
        assert await anext(text) == b"retry: 2000\n\n"
        await scorer.take("surveys.answers", answer("a", 7))
        await scorer.publish()
        await StreamLoop(scorer.runtime, scorer.stream).step()
        lines = (await anext(text)).decode().split("\n")
        await scorer.stream.close()
        assert [rest async for rest in text] == []
    assert lines[0].startswith("id: ")
    assert lines[1] == "event: score.updated"
    assert orjson.loads(lines[2].removeprefix("data: "))["passives"] == 1
    assert lines[3:] == ["", ""]


async def test_the_stream_of_who_signed_out_ends(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.scorer.api.stream._ALLOWED_SECONDS", 0.0)
    listener = await scorer.listener(lambda update: update.window == "all")
    signed_in = [True, False]

    async def allowed() -> bool:
        return signed_in.pop(0)

    async with asyncio.timeout(20):
        text = LiveResponse(scorer.stream, listener, allowed).events
        assert await anext(text) == b"retry: 2000\n\n"
        for number in range(2):
            await scorer.take("surveys.answers", answer(f"a-{number}", 7))
            await scorer.publish()
            await StreamLoop(scorer.runtime, scorer.stream).step()
            if number == 0:
                assert (await anext(text)).startswith(b"id: ")
        assert [rest async for rest in text] == []
