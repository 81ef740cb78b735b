"""From order events to surveys sent, on the real database: asked once, and nothing vanishes."""

from dataclasses import replace
from datetime import timedelta

from services.dispatcher.loops.timers import TimerLoop
from tests.integration.dispatcher.kit import DAY, HOUR, START, Dispatcher, order_event, preference, request


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
