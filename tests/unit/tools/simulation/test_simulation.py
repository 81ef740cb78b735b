"""How the simulated world uses Hearback: with retries, and only by what emails and pages contain."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shared.clock import clock_from
from tools.simulation.clock import RunningClock
from tools.simulation.mailbox import Mail, MailboxReader
from tools.simulation.visitor import Acknowledgement, NotAcknowledged, Visitor

LINKS = ("http://shop/", *(f"http://c/s/token?score={score}" for score in range(11)), "http://c/unsubscribe/token")


def mail(number: int, links: tuple[str, ...] = LINKS) -> dict[str, object]:
    return {"id": number, "message_id": f"<send-{number}@shop>", "to": "a@b", "subject": "?", "links": list(links)}


def test_a_survey_names_its_send_and_its_links() -> None:
    survey = Mail(1, "send-1@shop", "a@b", "?", LINKS)
    assert survey.send_id == "send-1"
    assert survey.answer_url == "http://c/s/token"
    assert len(survey.answer_links) == 11
    assert survey.unsubscribe_url == "http://c/unsubscribe/token"
    with pytest.raises(ValueError, match="has no survey link"):
        _ = Mail(1, "news@shop", "a@b", "?", ()).answer_url


async def test_every_mail_is_read_once() -> None:
    stored = [mail(number) for number in range(1, 1_203)]

    def mailbox(request: httpx.Request) -> httpx.Response:
        after, limit = (int(request.url.params[name]) for name in ("after", "limit"))
        return httpx.Response(200, json={"messages": [one for one in stored if int(str(one["id"])) > after][:limit]})

    async with httpx.AsyncClient(transport=httpx.MockTransport(mailbox)) as client:
        reader = MailboxReader(client, "http://mailbox")
        assert len(await reader.new()) == 1_202
        assert await reader.new() == []
        stored.append(mail(1_203))
        assert [arrived.send_id for arrived in await reader.new()] == ["send-1203"]


async def test_an_answer_is_retried_until_it_is_acknowledged() -> None:
    taken = httpx.Response(202, json={"answer_id": "a", "revision": 2})
    replies = iter([None, httpx.Response(503), httpx.Response(500), taken])

    def collector(_request: httpx.Request) -> httpx.Response:
        reply = next(replies)
        if reply is None:
            raise httpx.ConnectError("refused")
        return reply

    async with httpx.AsyncClient(transport=httpx.MockTransport(collector)) as client:
        assert await Visitor(client).answer("http://c/s/t", 7, "Fine") == Acknowledgement("a", 2)


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


async def test_a_running_clock_runs_for_every_reader_until_it_is_stopped(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = RunningClock(tmp_path / "clock", start, speed=86_400)
    reader = clock_from(clock.setting)
    running = asyncio.create_task(clock.run())
    async with asyncio.timeout(10):
        while reader.now() < start + timedelta(hours=2):
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    stopped = reader.now()
    assert stopped == clock.now()
    await asyncio.sleep(0.03)
    assert reader.now() == stopped
