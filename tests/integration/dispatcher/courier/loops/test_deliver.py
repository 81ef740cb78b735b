"""The outcomes of a delivery: accepted, deferred, bounced, failed, expired, each published once."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from services.dispatcher.actions import preferences as actions
from services.dispatcher.domain.customers import Customer, fold
from services.dispatcher.repository import customers
from shared.clock import SteppedClock
from shared.contracts import orders, preferences
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import ChannelPreference, ChannelState, Preference
from shared.contracts.sends import Recipient
from tests.integration.dispatcher.courier.conftest import NOW, Office, Open, survey
from tests.integration.dispatcher.courier.post_office import PostOffice
from tests.kit.messages import message


async def test_a_survey_queued_by_a_newer_version_is_delivered(office: Office, post: PostOffice) -> None:
    await office.queue([survey()])
    async with office.runtime.transaction() as connection:
        await connection.execute(text('UPDATE deliveries SET survey = survey || \'{"mood": "new"}\''))
    await office.carry()
    assert await office.published() == [("delivery.accepted", "send-1", None)]


async def test_nothing_personal_is_kept_once_a_delivery_has_ended(office: Office, post: PostOffice) -> None:
    post.script["ana-2@example.com"].append("550 5.1.1 <ana-2@example.com>: no such user")
    await office.queue([survey(1), survey(2)])
    await office.carry()
    everything = str(await office.rows("SELECT d.*, o.value FROM deliveries d, outbox o"))
    assert "accepted" in everything and "bounced" in everything
    assert "ana-" not in everything and "customer-" not in everything and "Wooden" not in everything


async def test_a_mail_put_off_is_tried_again_until_it_is_taken(office: Office, post: PostOffice) -> None:
    post.script["ana-1@example.com"].extend(["451 4.7.1 Greylisted", "data 452 4.3.1 Full", "450 4.2.0 Busy"])
    await office.queue([survey(1), survey(2)])
    await office.carry()
    assert post.recipients() == ["ana-2@example.com"]
    for attempt in range(1, 4):
        [row] = await office.rows(
            "SELECT attempts, reason, available_at - now() AS pause FROM deliveries WHERE state = 'queued'"
        )
        assert row.attempts == attempt
        first = office.runtime.settings.courier_retry_seconds
        assert timedelta(0) < row.pause <= timedelta(seconds=first * 2 ** (attempt - 1) * 1.25)
        await office.carry()
        assert post.recipients() == ["ana-2@example.com"], "it was retried before its pause was over"
        await office.at_once()
        await office.carry()
    assert post.recipients() == ["ana-2@example.com", "ana-1@example.com"]
    assert [event[0] for event in await office.published()] == ["delivery.accepted"] * 2


@pytest.mark.parametrize(
    ("reply", "event"),
    [
        ("550 5.1.1 <ana-1@example.com> unknown", ("delivery.bounced", "send-1", "550 5.1.1")),
        ("550 no such user", ("delivery.bounced", "send-1", "550")),
        ("550 5.7.1 You are on a list", ("delivery.failed", "send-1", "550 5.7.1")),
        ("data 554 5.6.0 Looks like an advertisement", ("delivery.failed", "send-1", "554 5.6.0")),
    ],
)
async def test_a_final_refusal_is_not_tried_again(
    office: Office, post: PostOffice, reply: str, event: tuple[str, str, str]
) -> None:
    post.script["ana-1@example.com"].append(reply)
    await office.queue([survey(1), survey(2)])
    for _ in range(2):
        await office.carry()
        await office.at_once()
    assert post.recipients() == ["ana-2@example.com"]
    assert sorted(await office.published()) == sorted([event, ("delivery.accepted", "send-2", None)])


async def test_a_survey_is_not_sent_after_its_link_has_closed(office: Office, post: PostOffice) -> None:
    post.script["ana-1@example.com"].append("451 later")
    await office.queue([survey(1), survey(2, expires_at=NOW)])
    await office.carry()
    assert await office.published() == [("delivery.failed", "send-2", "expired")]
    clock = office.runtime.clock
    assert isinstance(clock, SteppedClock)
    clock.step_to(NOW + timedelta(days=30))
    await office.at_once()
    await office.carry()
    assert post.mails == []
    assert (await office.published())[1:] == [("delivery.failed", "send-1", "expired")]


async def test_who_has_unsubscribed_or_was_erased_since_gets_nothing(office: Office, post: PostOffice) -> None:
    known = [
        _customer(1, "unsubscribed"),
        _customer(2, "complained"),
        _customer(3, "bounced"),
        _customer(4, "allowed", erased_at=NOW + timedelta(minutes=1)),
        _customer(5, "allowed"),
        # Erased long before this survey was decided: not affected.
        _customer(6, "allowed", erased_at=NOW - timedelta(days=1)),
    ]
    async with office.runtime.transaction() as connection:
        await customers.lock(connection, [customer.customer_id for customer in known])
        await customers.write(connection, known)
    await office.queue([survey(number) for number in range(1, 8)])
    await office.carry()
    assert sorted(post.recipients()) == [f"ana-{number}@example.com" for number in (5, 6, 7)]
    refused = {send_id: reason for event, send_id, reason in await office.published() if event == "delivery.failed"}
    assert refused == {
        "send-1": "unsubscribed",
        "send-2": "complained",
        "send-3": "bounced",
        "send-4": "erased",
    }


async def test_an_erased_customers_mail_is_not_kept_for_its_next_try(office: Office, post: PostOffice) -> None:
    post.script["ana-1@example.com"].append("451 4.7.1 Greylisted")
    post.script["ana-2@example.com"].append("451 4.7.1 Greylisted")
    await office.queue([survey(1), survey(2)])
    await office.carry()
    erased = Preference(customer_id="customer-1", revision=1, occurred_at=office.runtime.clock.now())
    told = message(preferences.TOPIC, preferences.ERASED, erased, at=NOW)
    async with office.runtime.transaction() as connection:
        await actions.ingest(connection, [(told, erased)], office.runtime.digests, office.runtime.clock.now())
    await office.carry()
    assert post.mails == []
    assert await office.published() == [("delivery.failed", "send-1", "erased")]
    assert [row.customer_id for row in await office.rows("SELECT * FROM deliveries WHERE survey IS NOT NULL")] == [
        "customer-2"
    ]


async def test_who_unsubscribed_under_another_customer_id_since_the_decision_gets_no_mail(
    office: Office, post: PostOffice
) -> None:
    await office.queue([survey(1), survey(2)])
    said = ChannelPreference(channel="email", state="unsubscribed", address="ANA-1@example.com", changed_at=NOW)
    body = Preference(customer_id="somebody", revision=1, channels=[said], occurred_at=NOW)
    told = message(preferences.TOPIC, preferences.UNSUBSCRIBED, body, at=NOW)
    async with office.runtime.transaction() as connection:
        await actions.ingest(connection, [(told, body)], office.runtime.digests, NOW)
    await office.carry()
    assert [str(mail["To"]) for mail in post.mails] == ["Ana <ana-2@example.com>"]


def _customer(number: int, state: ChannelState, erased_at: datetime | None = None) -> Customer:
    address = f"ana-{number}@example.com"
    preference = ChannelPreference(channel="email", state=state, address=address, changed_at=NOW)
    told = OrderEvent(order_id="1", occurred_at=NOW, customer=orders.Customer(id=f"customer-{number}", email=address))
    customer = fold(Customer(customer_id=f"customer-{number}"), told, NOW)
    return replace(customer, channels={"email": preference}, erased_at=erased_at)


@pytest.mark.parametrize(
    ("changes", "event"),
    [
        ({"recipient": Recipient(address="ana@example.com\r\nBcc: all@example.com")}, "delivery.bounced"),
        ({"recipient": Recipient(address="nobody")}, "delivery.bounced"),
        ({"channel": "sms"}, "delivery.failed"),
        ({"answer_url": "javascript:alert(1)"}, "delivery.failed"),
        ({"unsubscribe_url": "https://answers.test/u\r\nBcc: all@example.com"}, "delivery.failed"),
    ],
)
async def test_what_cannot_be_sent_ends_with_an_event_and_stops_nobody_else(
    office: Office, post: PostOffice, changes: dict[str, object], event: str
) -> None:
    await office.queue([survey(1, **changes), survey(2)])
    await office.carry()
    assert post.recipients() == ["ana-2@example.com"]
    assert {(kind, send_id) for kind, send_id, _ in await office.published()} == {
        (event, "send-1"),
        ("delivery.accepted", "send-2"),
    }


async def test_a_server_that_is_away_is_waited_for_and_no_mail_is_blamed(open_office: Open, post: PostOffice) -> None:
    away = await open_office(smtp_url="smtp://127.0.0.1:1")
    await away.queue([survey(number) for number in range(30)])
    assert await away.deliver.step() is False
    assert "mail server" in away.runtime.health._troubles
    [(attempts,)] = await away.rows("SELECT DISTINCT attempts FROM deliveries")
    assert attempts == 0
    back = await open_office()
    await back.at_once()
    await back.carry()
    assert len(post.mails) == 30
    assert (await back.published()).count(("delivery.accepted", "send-1", None)) == 1


async def test_one_mail_that_hangs_the_server_does_not_hold_up_the_others(open_office: Open, post: PostOffice) -> None:
    office = await open_office(courier_connections=2, courier_burst=4)
    forever = asyncio.Event()

    async def hang() -> None:
        await forever.wait()

    post.script["ana-1@example.com"].append(hang)
    await office.queue([survey(number) for number in range(1, 9)])
    await office.carry()
    assert sorted(post.recipients()) == [f"ana-{number}@example.com" for number in range(2, 9)]
    assert (await office.states())["send-1"] == "transmitting"
    forever.set()
