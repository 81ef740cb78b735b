"""A mailbox that does not exist, or whose owner complained, is remembered, once, and by its digest only."""

import asyncio
from datetime import timedelta

import pytest

from services.collector.handlers import deliveries as deliveries_handler
from services.collector.handlers import sends as sends_handler
from shared.contracts import deliveries, sends, topics
from shared.contracts.deliveries import Delivery
from shared.contracts.sends import Recipient, SurveySent
from tests.integration.collector.kit import NOON, ONE_CLICK, Collector, survey
from tests.kit.messages import message_of


async def told(
    collector: Collector, kind: str, *send_ids: str, surveys: tuple[SurveySent, ...] = (), after: int = 0
) -> None:
    """A batch with what became of these sends, ``after`` seconds past noon, and with surveys."""
    runtime, at = collector.runtime, NOON + timedelta(seconds=after)
    bodies = [
        Delivery(send_id=send_id, channel="email", provider="smtp", occurred_at=at, reason="550 5.1.1")
        for send_id in send_ids
    ]
    async with runtime.transaction() as connection:
        messages = [message_of(deliveries.event(kind, body)) for body in bodies]
        await deliveries_handler.handler(runtime)(connection, messages)
        if surveys:
            await sends_handler.handler(runtime)(connection, [message_of(sends.event(body)) for body in surveys])


@pytest.mark.parametrize(
    ("delivery", "preference", "state"),
    [
        (deliveries.BOUNCED, "preference.bounced", "bounced"),
        (deliveries.COMPLAINED, "preference.complained", "complained"),
    ],
)
@pytest.mark.parametrize("known_before", [True, False])
async def test_it_is_published_once_with_the_digest_of_the_mailbox(
    collector: Collector, delivery: str, preference: str, state: str, known_before: bool
) -> None:
    if known_before:
        await collector.send()
    await told(collector, delivery, "s-1")
    await collector.send()
    await told(collector, delivery, "s-1")
    await collector.send("s-2")
    await told(collector, delivery, "s-2")
    (published,) = await collector.outbox(topics.PREFERENCES.name)
    assert (published.type, published.key) == (preference, "c-42")
    assert published.body["channels"] == [
        {
            "channel": "email",
            "state": state,
            "address_digest": collector.runtime.digests.mailbox("ana.souza@example.com"),
            "changed_at": "2026-11-01T12:00:00Z",
        }
    ]
    assert "example.com" not in str(published.body)
    assert await collector.count("early_wishes") == 0


@pytest.mark.parametrize(
    "kind", [deliveries.ACCEPTED, deliveries.DELIVERED, deliveries.FAILED, deliveries.OPENED, deliveries.CLICKED]
)
async def test_of_other_deliveries_nothing_follows(collector: Collector, kind: str) -> None:
    await collector.send()
    await told(collector, kind, "s-1", "s-unknown")
    assert await collector.outbox() == []
    assert await collector.count("early_wishes") == 0


async def test_a_new_mailbox_that_bounces_too_is_remembered_too(collector: Collector) -> None:
    await collector.send("s-1")
    await collector.send("s-2", recipient=Recipient(address="ana@new.example"))
    await told(collector, deliveries.BOUNCED, "s-1", "s-2")
    assert await collector.preferences() == [("preference.bounced", 1, "bounced"), ("preference.bounced", 2, "bounced")]


async def test_a_bounce_undoes_no_opting_out_and_a_complaint_goes_before_both(collector: Collector) -> None:
    await collector.send("s-1")
    assert (await collector.client.post(collector.unsubscribe_page("s-1"), data=ONE_CLICK)).status_code == 200
    await told(collector, deliveries.BOUNCED, "s-1")
    assert [kind for kind, _, _ in await collector.preferences()] == ["preference.unsubscribed"]
    await told(collector, deliveries.COMPLAINED, "s-1")
    assert (await collector.preferences())[1:] == [("preference.complained", 2, "complained")]
    await told(collector, deliveries.BOUNCED, "s-1")
    await collector.client.post(collector.unsubscribe_page("s-1"), data={"wish": "resubscribe"})
    assert "complained" in str((await collector.outbox(topics.PREFERENCES.name))[-1].body["channels"])


async def test_a_bounce_that_waits_does_not_replace_what_the_customer_chose(collector: Collector) -> None:
    assert (await collector.client.post(collector.unsubscribe_page("s-1"), data=ONE_CLICK)).status_code == 202
    await told(collector, deliveries.BOUNCED, "s-1", "s-2", after=60)
    await told(collector, deliveries.COMPLAINED, "s-2", after=120)
    await told(collector, deliveries.BOUNCED, "s-2", after=180)
    await collector.send("s-1")
    await collector.send("s-2")
    assert [kind for kind, _, _ in await collector.preferences()] == [
        "preference.unsubscribed",
        "preference.complained",
    ]


async def test_a_bounce_of_one_batch_with_its_survey_is_applied_in_it(collector: Collector) -> None:
    await told(collector, deliveries.BOUNCED, "s-1", surveys=(survey("s-1"), survey("s-2", customer_id="c-2")))
    assert await collector.preferences() == [("preference.bounced", 1, "bounced")]
    assert await collector.count("early_wishes") == 0


async def test_of_an_erased_customer_nothing_is_kept(collector: Collector) -> None:
    await collector.send("s-1")
    await collector.erase("c-42")
    await told(collector, deliveries.BOUNCED, "s-1")
    assert [published.type for published in await collector.outbox()] == ["preference.erased"]
    assert await collector.count("preferences") == await collector.count("early_wishes") == 0


async def test_batches_that_meet_lose_no_bounce_and_do_not_deadlock(collector: Collector) -> None:
    batch = [
        survey(f"s-{number}", customer_id=f"c-{number}", recipient=Recipient(address=f"c{number}@example.com"))
        for number in range(40)
    ]
    await asyncio.gather(
        *(told(collector, deliveries.BOUNCED, each.send_id, surveys=(batch[-number],)) for number, each in
          enumerate(batch, 1))
    )  # fmt: skip
    published = await collector.outbox(topics.PREFERENCES.name)
    assert sorted(each.key for each in published) == sorted(each.customer_id for each in batch)
    assert await collector.count("early_wishes") == 0
