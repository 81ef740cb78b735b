"""A preference change about a survey that is not known yet is kept, and applied with the survey; none is lost."""

import asyncio
import html
import re
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import event
from structlog.testing import capture_logs

from services.collector.actions import pending_preferences as actions
from services.collector.actions.preferences import change_preference
from services.collector.domain.preferences import PendingPreference
from services.collector.handlers import sends as sends_handler
from services.collector.repository import pending_preferences, surveys
from services.collector.wiring import build
from shared.contracts import sends, topics
from shared.contracts.cloudevents import Message
from shared.contracts.sends import Recipient, SurveySent
from tests.integration.collector.kit import NOON, ONE_CLICK, Collector, survey
from tests.kit.locks import held_up
from tests.kit.messages import message_of


async def click(collector: Collector, send_id: str = "s-1") -> int:
    """The status a mail client gets."""
    return (await collector.client.post(collector.unsubscribe_page(send_id), data=ONE_CLICK)).status_code


async def undo(collector: Collector, send_id: str = "s-1") -> None:
    response = await collector.client.post(collector.unsubscribe_page(send_id), data={"wish": "resubscribe"})
    assert response.status_code == 303


def sent(body: SurveySent) -> Message:
    return message_of(sends.event(body))


async def consume_batch(collector: Collector, *surveys: SurveySent) -> None:
    """All of them in one batch, as the consumer passes them on."""
    runtime = collector.runtime
    handle = sends_handler.handler(runtime)
    async with runtime.transaction() as connection:
        await handle(connection, [sent(body) for body in surveys])


def one_of_many(number: int) -> SurveySent:
    return survey(f"s-{number}", customer_id=f"c-{number}", recipient=Recipient(address=f"c{number}@example.com"))


def counted(became: str) -> float:
    return REGISTRY.get_sample_value("hearback_early_wishes_total", {"became": became}) or 0


async def test_a_mail_programs_click_before_the_survey_is_done_when_it_comes(collector: Collector) -> None:
    assert await click(collector) == 202
    assert await collector.outbox() == []
    collector.clock.pass_time(minutes=3)
    await collector.send()
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]
    (published,) = await collector.outbox(topics.PREFERENCES.name)
    assert published.key == published.body["customer_id"] == "c-42"
    assert [channel["channel"] for channel in published.body["channels"]] == ["email", "sms", "webhook"]
    assert published.body["channels"][0]["address"] == "ana.souza@example.com"
    # The change counts from when it was requested.
    assert published.body["occurred_at"] == published.body["channels"][0]["changed_at"] == "2026-11-01T12:00:00Z"
    assert await collector.count("early_wishes") == 0
    assert "You are unsubscribed" in (await collector.client.get(collector.unsubscribe_page())).text
    assert await click(collector) == 200
    await collector.send()
    assert len(await collector.preferences()) == 1


async def test_the_same_in_parts(collector: Collector) -> None:
    page = collector.unsubscribe_page()
    assert (await collector.client.post(page, files={"List-Unsubscribe": (None, "One-Click")})).status_code == 202
    await collector.send()
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]


async def test_looking_before_the_survey_is_known_keeps_nothing(collector: Collector) -> None:
    page = collector.unsubscribe_page()
    for method in ("GET", "HEAD"):
        for query in ("", "?List-Unsubscribe=One-Click", "?wish=unsubscribe&tries=3"):
            assert (await collector.client.request(method, page + query)).status_code == 200
    assert (await collector.client.options(page)).status_code == 405
    assert await collector.count("early_wishes") == 0
    forged = await collector.client.post(page[:-2], data=ONE_CLICK)
    assert (forged.status_code, await collector.count("early_wishes")) == (404, 0)


@pytest.mark.parametrize(
    ("change", "result"), [("unsubscribe", "You are unsubscribed"), ("resubscribe", "You will receive surveys again")]
)
async def test_a_person_need_not_wait_to_choose_and_sees_the_result_when_it_is_known(
    collector: Collector, change: str, result: str
) -> None:
    page = collector.unsubscribe_page()
    assert "Stop receiving surveys?" in (await collector.client.get(page)).text
    pressed = await collector.client.post(f"{page}?lang=en", data={"wish": change})
    assert pressed.status_code == 303
    waiting = await collector.client.get(pressed.headers["location"])
    assert waiting.status_code == 202
    assert "Your choice has been saved" in waiting.text
    refresh = re.search(r'http-equiv="refresh" content="3;url=([^"]+)"', waiting.text)
    assert refresh is not None
    await collector.send()
    assert result in (await collector.client.get(html.unescape(refresh[1]))).text


async def test_the_page_does_not_wait_for_ever_and_does_not_say_it_is_done(collector: Collector) -> None:
    page = collector.unsubscribe_page()
    address = (await collector.client.post(page, data={"wish": "unsubscribe"})).headers["location"]
    for _ in range(30):
        shown = await collector.client.get(address)
        found = re.search(r'content="3;url=([^"]+)"', shown.text)
        if found is None:
            break
        address = html.unescape(found[1])
    assert shown.status_code == 202
    assert "It takes effect as soon as we find this survey" in shown.text
    assert "the link in a newer email from Our shop works right away" in shown.text


async def test_of_several_changes_the_last_stands(collector: Collector) -> None:
    await click(collector)
    await undo(collector)
    await collector.send()
    assert await collector.preferences() == []
    await undo(collector, "s-2")
    await click(collector, "s-2")
    await collector.send("s-2")
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]


async def test_of_changes_through_two_surveys_that_come_together_the_last_stands(collector: Collector) -> None:
    await undo(collector, "s-2")
    collector.clock.pass_time(seconds=1)
    await click(collector, "s-3")
    await consume_batch(collector, survey("s-1"), survey("s-2"), survey("s-3"))
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]
    assert await collector.count("early_wishes") == 0


async def test_a_change_made_since_through_a_known_survey_takes_precedence(collector: Collector) -> None:
    await collector.send("s-1")
    await click(collector, "s-1")
    await click(collector, "s-2")
    collector.clock.pass_time(minutes=1)
    await undo(collector, "s-1")
    await collector.send("s-2")
    assert [kind for kind, _, _ in await collector.preferences()] == [
        "preference.unsubscribed",
        "preference.resubscribed",
    ]


async def test_an_erased_customers_pending_change_is_deleted(collector: Collector) -> None:
    await click(collector)
    collector.clock.pass_time(seconds=1)
    await collector.erase("c-42")
    await collector.send()
    assert [published.type for published in await collector.outbox()] == ["preference.erased"]
    assert await collector.count("early_wishes") == await collector.count("preferences") == 0
    assert (await collector.client.get(collector.unsubscribe_page())).status_code == 410


async def test_who_was_erased_and_came_back_goes_on_counting_revisions(collector: Collector) -> None:
    await collector.erase("c-42")
    collector.clock.pass_time(days=1)
    await click(collector, "s-2")
    await collector.send("s-2", sent_at=collector.clock.now())
    told = [(published.type, published.body["revision"]) for published in await collector.outbox()]
    assert told == [("preference.erased", 1), ("preference.unsubscribed", 2)]


async def test_a_click_while_the_survey_is_being_consumed_waits_and_is_done(collector: Collector) -> None:
    """The batch has looked for changes and not committed: the click sees no survey yet, but must not be lost."""
    runtime = collector.runtime
    handle = sends_handler.handler(runtime)
    async with runtime.transaction() as connection:
        await handle(connection, [sent(survey())])
        clicking = asyncio.create_task(click(collector))
        await held_up(collector.runtime, clicking)
    assert await clicking == 200
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]
    assert await collector.count("early_wishes") == 0


async def test_a_survey_that_comes_while_a_click_is_being_kept_waits_and_finds_it(collector: Collector) -> None:
    """The click has found no survey and not committed its change: the batch must not miss it."""
    runtime = collector.runtime
    async with runtime.transaction() as connection:
        assert await surveys.hold(connection, "s-1") is None
        await pending_preferences.hold_off_sends(connection)
        assert await surveys.hold(connection, "s-1") is None
        consuming = asyncio.create_task(collector.send())
        await held_up(collector.runtime, consuming)
        await pending_preferences.put(connection, PendingPreference("s-1", "unsubscribe", NOON))
    await consuming
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]


async def test_no_click_is_lost_however_clicks_and_surveys_meet(collector: Collector) -> None:
    batch = [one_of_many(number) for number in range(60)]

    async def consume() -> None:
        for start in range(0, len(batch), 5):
            await consume_batch(collector, *batch[start : start + 5])

    statuses = await asyncio.gather(*(click(collector, each.send_id) for each in batch), consume())
    assert set(statuses[:-1]) <= {200, 202}
    told = [published.body["customer_id"] for published in await collector.outbox(topics.PREFERENCES.name)]
    assert sorted(told) == sorted(each.customer_id for each in batch)
    assert await collector.count("early_wishes") == 0


async def test_clicks_of_one_customer_through_many_surveys_that_come_meanwhile_are_one(collector: Collector) -> None:
    batch = [survey(f"s-{number}") for number in range(24)]
    await asyncio.gather(
        *(click(collector, each.send_id) for each in batch), *(consume_batch(collector, each) for each in batch)
    )
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]
    assert await collector.count("early_wishes") == 0


async def test_a_batch_that_fails_leaves_the_change_pending(collector: Collector) -> None:
    await click(collector)
    with pytest.raises(RuntimeError, match="died"):
        async with collector.runtime.transaction() as connection:
            handle = sends_handler.handler(collector.runtime)
            await handle(connection, [sent(survey())])
            raise RuntimeError("the process died before the commit")
    assert await collector.count("early_wishes") == 1
    await collector.send()
    assert await collector.preferences() == [("preference.unsubscribed", 1, "unsubscribed")]


async def test_a_batch_takes_as_many_statements_for_many_changes_as_for_one(collector: Collector) -> None:
    statements = 0

    def count(*_arguments: object) -> None:
        nonlocal statements
        statements += 1

    async def taken(batch: list[SurveySent]) -> int:
        nonlocal statements
        for each in batch:
            assert await click(collector, each.send_id) == 202
        engine = collector.runtime.engine.sync_engine
        event.listen(engine, "before_cursor_execute", count)
        statements = 0
        try:
            await consume_batch(collector, *batch)
        finally:
            event.remove(engine, "before_cursor_execute", count)
        return statements

    one = await taken([one_of_many(1)])
    assert await taken([one_of_many(number) for number in range(2, 52)]) == one
    assert len(await collector.preferences()) == 51


async def test_what_never_comes_is_dropped_after_a_month_and_counted_and_said_without_a_name(
    collector: Collector,
) -> None:
    for number in range(7):
        assert await click(collector, f"s-{number}") == 202
    collector.clock.pass_time(days=1)
    await click(collector, "s-young")
    collector.clock.moment = NOON + timedelta(days=30)
    before = counted("dropped")
    assert await actions.prune(collector.runtime) is False
    assert await collector.count("early_wishes") == 8
    collector.clock.pass_time(seconds=1)
    (prune,) = build(collector.runtime).loops
    with capture_logs() as logs:
        assert await prune.step() is True
        while await prune.step():
            pass
    assert await collector.count("early_wishes") == 1
    assert counted("dropped") - before == 7
    assert [entry["count"] for entry in logs] == [3, 3, 1]
    assert not any("s-" in str(value) for entry in logs for value in entry.values())


async def test_pending_changes_are_counted_when_kept_and_when_settled(collector: Collector) -> None:
    kept, settled = counted("kept"), counted("settled")
    assert await change_preference(collector.runtime, "s-1", "unsubscribe") is False
    assert (counted("kept") - kept, counted("settled") - settled) == (1, 0)
    await collector.send()
    assert (counted("kept") - kept, counted("settled") - settled) == (1, 1)
    assert await change_preference(collector.runtime, "s-1", "unsubscribe") is True
    assert (counted("kept") - kept, counted("settled") - settled) == (1, 1)
