"""Unsubscribing takes one press of a button, never just opening the page, and can be undone."""

import asyncio
import html
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from services.collector.actions.preferences import change_preference
from services.collector.domain.preferences import Preferences
from services.collector.repository import preferences as repository
from shared.contracts import topics
from tests.integration.collector.kit import ONE_CLICK, Collector


async def test_looking_unsubscribes_nobody(collector: Collector) -> None:
    await collector.send()
    page = collector.unsubscribe_page()
    for method in ("GET", "HEAD"):
        for query in ("", "?List-Unsubscribe=One-Click", "?wish=unsubscribe"):
            assert (await collector.client.request(method, page + query)).status_code == 200
    assert await collector.outbox() == []
    assert await collector.count("preferences") == 0


async def test_a_person_presses_and_takes_it_back(collector: Collector) -> None:
    await collector.send()
    page = collector.unsubscribe_page()
    assert "Stop receiving surveys?" in (await collector.client.get(page)).text
    done = await collector.client.post(page, data={"wish": "unsubscribe"})
    assert done.status_code == 303
    shown = await collector.client.get(done.headers["location"])
    assert "You are unsubscribed" in shown.text
    assert "Undo" in shown.text
    back = await collector.client.post(page, data={"wish": "resubscribe"}, follow_redirects=True)
    assert "You will receive surveys again" in back.text
    assert await collector.preferences() == [
        ("preference.unsubscribed", 1, "unsubscribed"),
        ("preference.resubscribed", 2, "allowed"),
    ]
    published = (await collector.outbox(topics.PREFERENCES.name))[0]
    assert published.key == published.body["customer_id"] == "c-42"
    assert published.body["channels"][0] == {
        "channel": "email",
        "state": "unsubscribed",
        "address": "ana.souza@example.com",
        "changed_at": "2026-11-01T12:00:00Z",
    }


async def test_one_click_of_a_mail_program(collector: Collector) -> None:
    await collector.send()
    response = await collector.client.post(collector.unsubscribe_page(), data=ONE_CLICK)
    assert response.status_code == 200
    # RFC 8058 §3.1 and §3.2: in parts is how it should come, and it must not be redirected.
    in_parts = await collector.client.post(
        collector.unsubscribe_page(), files={"List-Unsubscribe": (None, "One-Click")}
    )
    assert in_parts.status_code == 200
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"content": b""},
        {"data": {"List-Unsubscribe": "Two-Clicks"}},
        {"data": {"list-unsubscribe": "yes"}},
        {"data": {"wish": "unsubscribe me"}},
        {"data": {"score": "1"}},
        {"json": {"List-Unsubscribe": "One-Click"}},
        {"params": {"List-Unsubscribe": "One-Click"}},
    ],
)
async def test_any_other_body_unsubscribes_nobody_and_is_told_what_is_accepted(
    collector: Collector, request_body: dict[str, Any]
) -> None:
    await collector.send()
    response = await collector.client.post(collector.unsubscribe_page(), **request_body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert "List-Unsubscribe=One-Click" in response.json()["detail"]
    assert await collector.preferences() == []


@pytest.mark.parametrize(
    "body",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"content": b"List-Unsubscribe=One-Click\r\n"},
        {"content": b"List-Unsubscribe=One-Click", "headers": {"Content-Type": "text/plain"}},
        {"data": {**ONE_CLICK, "wish": "unsubscribe"}},
    ],
)
async def test_one_click_is_never_redirected(collector: Collector, body: dict[str, Any]) -> None:
    await collector.send()
    assert (await collector.client.post(collector.unsubscribe_page(), **body)).status_code == 200
    assert (await collector.client.post(collector.unsubscribe_page("s-unknown"), **body)).status_code == 202
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]


async def test_a_forged_link_is_refused_without_the_database(collector: Collector) -> None:
    await collector.runtime.engine.dispose()
    opened = []

    @event.listens_for(collector.runtime.engine.sync_engine, "checkout")
    def _opened(*_: object) -> None:
        opened.append(1)

    for path in ("/s/forged.aaaa", "/unsubscribe/forged.aaaa"):
        assert (await collector.client.get(path)).status_code == 404
        assert (await collector.client.post(path, data={"score": "1", **ONE_CLICK})).status_code == 404
        assert (await collector.client.post(path, json={"score": 1})).status_code == 404
    assert opened == []
    await collector.client.get(collector.page())
    assert opened == [1]


async def test_many_at_once_and_through_several_surveys_are_one(collector: Collector) -> None:
    for send_id in ("s-1", "s-2"):
        await collector.send(send_id)
    pages = [collector.unsubscribe_page(f"s-{1 + number % 2}") for number in range(12)]
    responses = await asyncio.gather(*(collector.client.post(page, data=ONE_CLICK) for page in pages))
    assert {response.status_code for response in responses} == {200}
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]


async def test_a_change_that_was_overtaken_between_reading_and_writing_is_not_lost(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await collector.send()
    await change_preference(collector.runtime, "s-1", "unsubscribe")
    put = repository.put

    async def overtaken(connection: AsyncConnection, changed: Mapping[str, Preferences]) -> set[str]:
        monkeypatch.setattr(repository, "put", put)
        await change_preference(collector.runtime, "s-1", "resubscribe")
        await change_preference(collector.runtime, "s-1", "unsubscribe")
        return await put(connection, changed)

    monkeypatch.setattr(repository, "put", overtaken)
    await change_preference(collector.runtime, "s-1", "resubscribe")
    assert [(revision, state) for _, revision, state in await collector.preferences()] == [
        (1, "unsubscribed"),
        (2, "allowed"),
        (3, "unsubscribed"),
        (4, "allowed"),
    ]


async def test_it_works_long_after_the_survey_closed(collector: Collector) -> None:
    await collector.send()
    collector.clock.pass_time(days=100)
    assert (await collector.client.get(collector.unsubscribe_page())).status_code == 200
    assert (await collector.client.post(collector.unsubscribe_page(), data=ONE_CLICK)).status_code == 200
    assert len(await collector.preferences()) == 1


async def test_an_answers_link_does_not_unsubscribe(collector: Collector) -> None:
    await collector.send()
    token = collector.runtime.links.token("answer", "s-1")
    for response in (
        await collector.client.get(f"/unsubscribe/{token}"),
        await collector.client.post(f"/unsubscribe/{token}", data=ONE_CLICK),
    ):
        assert response.status_code == 404
    assert await collector.outbox() == []


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("pt-BR", "Não quer mais receber pesquisas?"),
        ("ko", "설문을 그만 받으시겠어요?"),
        ("zh-CN", "不想再收到问卷？"),
        ("zh-Hant-HK", "不想再收到問卷？"),
        ("nb-NO", "Vil du ikke ha flere undersøkelser?"),
    ],
)
async def test_in_the_customers_language(collector: Collector, locale: str, title: str) -> None:
    await collector.send(locale=locale)
    assert title in html.unescape((await collector.client.get(collector.unsubscribe_page())).text)
