"""From order events to surveys sent, on the real database: asked once, and nothing vanishes."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.dispatcher.loops.timers import TimerLoop
from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, order_event, preference, request
from tests.kit.reading import ReadAsOfNow


async def test_a_survey_is_sent_when_its_moment_comes(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", country="BR"))
    await dispatcher.pass_time(START + HOUR - timedelta(seconds=1))
    assert await dispatcher.sends() == []
    await dispatcher.pass_time(START + HOUR)
    assert await dispatcher.sends() == [("service-nps", "o-1", START + HOUR)]
    (survey,) = await dispatcher.published()
    assert survey["recipient"] == {"address": "ana@example.com", "name": "Ana"}
    assert survey["locale"] == "pt"
    assert survey["product"] == "A wooden train"
    assert datetime.fromisoformat(survey["order_began_at"]) == START
    assert survey["segments"] == {
        "country": "BR",
        "category": "toys",
        "cohort": "2026-03",
        "survey_channel": "email",
        "campaign": "service-nps",
    }
    assert survey["answer_url"].startswith("http://127.0.0.1:8002/s/" + survey["send_id"])
    assert await dispatcher.outcomes() == [("timer_set", "milestone_reached"), ("sent", "due")]
    await dispatcher.pass_time(START + 2 * HOUR)
    assert len(await dispatcher.sends()) == 1


async def test_a_cancelled_order_is_not_asked_about_even_when_the_cancellation_comes_first(
    dispatcher: Dispatcher,
) -> None:
    await dispatcher.handle(order_event("cancelled", at=START + HOUR / 2))
    await dispatcher.handle(order_event("placed"))
    await dispatcher.handle(order_event("placed", "o-2", "c-2"))
    await dispatcher.handle(order_event("refunded", "o-2", "c-2", at=START + HOUR / 2))
    await dispatcher.pass_time(START + 20 * DAY)
    assert await dispatcher.sends() == []
    assert await dispatcher.outcomes("c-2") == [
        ("timer_set", "milestone_reached"),
        ("timer_cancelled", "order_refunded"),
    ]


async def test_a_pair_about_one_order_is_one_asking_and_everything_else_waits(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"), order_event("delivered", at=START + 5 * DAY))
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.handle(order_event("placed", "o-2", at=START + 10 * DAY))
    await dispatcher.pass_time(START + 10 * DAY + HOUR)
    await dispatcher.pass_time(START + 35 * DAY)
    assert await dispatcher.sends() == [
        ("service-nps", "o-1", START + HOUR),
        ("product-nps", "o-1", START + 35 * DAY),
    ]
    # The second order would have had to wait 90 days, but its survey is valid for 14.
    assert ("skipped", "expired") in await dispatcher.outcomes()
    await dispatcher.pass_time(START + 90 * DAY)
    assert ("deferred", "quiet_period") in await dispatcher.outcomes()
    await dispatcher.pass_time(START + 125 * DAY)
    assert (await dispatcher.sends())[-1] == ("relationship-nps", None, START + 125 * DAY)


async def test_a_recurring_campaign_comes_again_only_while_the_customer_orders(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("paid"))
    for day in range(0, 1_000, 10):
        await dispatcher.pass_time(START + day * DAY)
    asked = [at for campaign, _, at in await dispatcher.sends() if campaign == "relationship-nps"]
    assert asked == [START + day * DAY for day in (90, 180, 270, 360)]
    assert (await dispatcher.outcomes())[-1] == ("skipped", "no_recent_order")
    assert await dispatcher.timers() == {}


async def test_who_unsubscribed_is_not_asked(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(
        order_event("placed", email="uma@example.com"),
        order_event("placed", "o-2", "c-2", email=None),
        order_event("placed", "o-3", "c-3"),
        order_event("placed", "o-4", "c-4", email="dan@example.com"),
    )
    await dispatcher.handle(
        preference("unsubscribed"),
        preference("bounced", "c-3", address="Ana@example.com"),
        preference("bounced", "c-4", address="old@example.com"),
    )
    await dispatcher.pass_time(START + HOUR)
    assert [order for _, order, _ in await dispatcher.sends()] == ["o-4"]
    assert (await dispatcher.outcomes("c-1"))[-1] == ("skipped", "unsubscribed")
    assert (await dispatcher.outcomes("c-2"))[-1] == ("skipped", "no_address")
    assert (await dispatcher.outcomes("c-3"))[-1] == ("skipped", "bounced")


async def test_an_older_preference_does_not_undo_a_newer_one(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"))
    await dispatcher.handle(preference("unsubscribed", revision=2))
    await dispatcher.handle(preference("resubscribed", revision=1))
    await dispatcher.pass_time(START + HOUR)
    assert await dispatcher.sends() == []


async def test_a_request_becomes_a_timer_under_the_same_policy(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"))
    asked = request("relationship-nps", not_before=START + 3 * DAY)
    await dispatcher.handle(asked, request("no-such-campaign", request_id="r-2"))
    await dispatcher.handle(asked)
    await dispatcher.pass_time(START + HOUR)
    await dispatcher.pass_time(START + 3 * DAY)
    assert [campaign for campaign, _, _ in await dispatcher.sends()] == ["service-nps"]
    assert await dispatcher.outcomes() == [
        ("timer_set", "milestone_reached"),
        ("timer_set", "requested"),
        ("no_timer", "unknown_campaign"),
        ("sent", "due"),
        ("deferred", "quiet_period"),
    ]
    await dispatcher.pass_time(START + HOUR + 90 * DAY)
    assert ("relationship-nps", None, START + HOUR + 90 * DAY) in await dispatcher.sends()
    # The same request under another event id is the same survey.
    await dispatcher.handle(request("relationship-nps", not_before=START + 3 * DAY))
    assert (await dispatcher.outcomes())[-1] == ("no_timer", "already_requested")


async def test_a_timer_set_behind_the_watermark_is_found_when_the_backlog_is_worked_off(dispatcher: Dispatcher) -> None:
    two_at_once = dispatcher.runtime.settings.model_copy(update={"timer_batch_size": 2})
    loop = TimerLoop(replace(dispatcher.runtime, settings=two_at_once))
    for number in range(4):
        await dispatcher.handle(order_event("placed", f"o-{number}", f"c-{number}", at=START + number * HOUR))
    dispatcher.clock.moment = START + 10 * HOUR
    assert await loop.step()
    await dispatcher.handle(order_event("placed", "o-late", "c-late", at=START - 5 * HOUR))
    while await loop.step():
        pass
    await loop.step()
    assert len(await dispatcher.sends()) == 5


async def refuse(dispatcher: Dispatcher, customers: str) -> None:
    """From now on, PostgreSQL takes the data of sends to the customers like these for invalid."""
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'invalid' USING ERRCODE = 'data_exception'; END $$"
            )
        )
        await connection.execute(
            text(
                "CREATE TRIGGER refuse BEFORE INSERT ON sends FOR EACH ROW"
                f" WHEN (NEW.customer_id LIKE '{customers}') EXECUTE FUNCTION refuse()"
            )
        )


async def test_one_customer_whose_data_cannot_be_stored_stops_nobody_else(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(*(order_event("placed", f"o-{name}", f"c-{name}") for name in ("1", "bad", "2")))
    await refuse(dispatcher, "c-bad")
    await dispatcher.pass_time(START + HOUR)
    assert sorted(order or "" for _, order, _ in await dispatcher.sends()) == ["o-1", "o-2"]
    assert (await dispatcher.outcomes("c-bad"))[-1] == ("deferred", "fault")
    assert (await dispatcher.timers())["service-nps o-bad"] == START + HOUR + DAY
    async with dispatcher.runtime.engine.begin() as connection:
        await connection.execute(text("DROP TRIGGER refuse ON sends"))
    await dispatcher.pass_time(START + HOUR + DAY)
    assert ("service-nps", "o-bad", START + HOUR + DAY) in await dispatcher.sends()


async def test_a_customer_who_is_always_at_fault_is_given_up_once_it_is_too_late_to_ask(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed"))
    await refuse(dispatcher, "c-1")
    for day in range(20):
        await dispatcher.pass_time(START + HOUR + day * DAY)
    outcomes = await dispatcher.outcomes()
    assert outcomes.count(("deferred", "fault")) == 14
    assert outcomes[-1] == ("skipped", "fault")


async def test_after_a_data_error_too_nothing_is_decided_that_was_set_after_the_reading(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order comes while the batch fails: what was published beside it may not have been read yet."""
    await dispatcher.handle(*(order_event("placed", f"o-{name}", f"c-{name}") for name in ("1", "2", "bad")))
    await refuse(dispatcher, "c-bad")
    dispatcher.runtime.reads = ReadAsOfNow(dispatcher.runtime)
    fails = dispatcher.loop._one_at_a_time

    async def meanwhile(*given: Any) -> None:
        await dispatcher.handle(
            order_event("placed", "o-new", "c-1", at=START), order_event("placed", "o-new-bad", "c-bad")
        )
        await fails(*given)

    dispatcher.clock.moment = START + HOUR
    with monkeypatch.context() as patched:
        patched.setattr(dispatcher.loop, "_one_at_a_time", meanwhile)
        await dispatcher.loop.step()
    assert [order for _, order, _ in await dispatcher.sends()] == ["o-2"]
    assert not {"sent", "deferred", "skipped"} & {outcome for outcome, _ in await dispatcher.outcomes("c-1")}
    assert ("deferred", "fault") not in await dispatcher.outcomes("c-bad")
    await dispatcher.decide()
    assert "c-1" in {row["customer_id"] for row in await dispatcher.rows("SELECT customer_id FROM sends")}
    assert ("deferred", "fault") in await dispatcher.outcomes("c-bad")


async def test_a_fault_that_concerns_everybody_is_nobodys_own(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(*(order_event("placed", f"o-{number}", f"c-{number}") for number in range(4)))
    await refuse(dispatcher, "c-%")
    with pytest.raises(DBAPIError):
        await dispatcher.pass_time(START + HOUR)
    assert await dispatcher.outcomes() == [("timer_set", "milestone_reached")]


async def test_two_askers_with_one_request_id_are_two_requests(dispatcher: Dispatcher) -> None:
    await dispatcher.handle(order_event("placed", "o-1", "c-1"), order_event("placed", "o-2", "c-2"))
    await dispatcher.handle(
        request("relationship-nps", "c-1", not_before=START + DAY, requested_by="alerter"),
        request("relationship-nps", "c-2", not_before=START + DAY, requested_by="crm"),
    )
    rows = await dispatcher.rows("SELECT customer_id FROM timers WHERE cause = 'request' ORDER BY customer_id")
    assert [row["customer_id"] for row in rows] == ["c-1", "c-2"]
