"""The outcomes of a delivery: accepted, deferred, bounced, failed, expired, each published once."""

import asyncio
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from services.dispatcher.actions import preferences as actions
from services.dispatcher.courier.domain.deliveries import Ending, QueuedDelivery
from services.dispatcher.courier.loops import deliver
from services.dispatcher.domain.campaigns import Campaign, StoredCampaign
from services.dispatcher.domain.customers import Customer, fold
from services.dispatcher.domain.orders import Order
from services.dispatcher.domain.orders import fold as fold_order
from services.dispatcher.repository import campaigns, customers
from services.dispatcher.repository import orders as known_orders
from shared.clock import SteppedClock
from shared.contracts import orders, preferences
from shared.contracts.campaigns import CampaignPublished
from shared.contracts.orders import OrderEvent
from shared.contracts.preferences import ChannelPreference, ChannelState, Preference
from shared.contracts.sends import Recipient
from shared.mail.message import Email
from shared.messaging.reading import ReadUntil
from shared.transmission import MayBegin, TransmissionOutcome
from tests.integration.dispatcher.courier.conftest import NOW, Office, Open, survey
from tests.integration.dispatcher.courier.post_office import PostOffice
from tests.kit.eventually import eventually
from tests.kit.messages import message


async def test_a_survey_queued_by_a_newer_version_is_delivered(office: Office, post: PostOffice) -> None:
    await office.queue([survey()])
    async with office.runtime.transaction() as connection:
        await connection.execute(text('UPDATE deliveries SET survey = survey || \'{"mood": "new"}\''))
    await office.carry()
    assert await office.published() == [("delivery.accepted", "send-1", None)]


async def test_nothing_personal_is_kept_once_a_delivery_has_ended(office: Office, post: PostOffice) -> None:
    post.script["ana-2@example.com"].extend(["550 5.1.1 <ana-2@example.com>: no such user"] * 3)
    await office.queue([survey(1), survey(2)])
    for _ in range(3):
        await office.at_once()
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
        await carry_on(office)
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
    post.script["ana-1@example.com"].extend([reply] * 2)
    await office.queue([survey(1)])
    await office.carry()
    await office.queue([survey(2)])
    await office.carry()
    for _ in range(3):
        await office.at_once()
        await office.carry()
    assert post.recipients() == ["ana-2@example.com"]
    assert sorted(await office.published()) == sorted([event, ("delivery.accepted", "send-2", None)])


async def carry_on(office: Office) -> None:
    """What is put off, or paused, is due: the courier goes on."""
    office.deliver._resume_at = 0
    await office.at_once()
    await office.carry()


REFUSALS = [
    "550 5.1.1 No such user",
    "550 5.7.1 You are on a block list",
    "550 Requested action not taken",
    "554 5.7.1 Relay access denied",
    "530 5.7.0 Authentication required",
    "421 4.7.0 Too many of you",
    "data 554 5.7.1 Looks like spam",
    "data 550 5.1.1 Nobody here",
]


@pytest.mark.parametrize("reply", REFUSALS)
async def test_a_server_that_refuses_everybody_pauses_the_courier_and_loses_nothing(
    office: Office, post: PostOffice, reply: str
) -> None:
    """Whether it has never taken a mail or has just taken thirty."""
    for taken_before in (0, 30):
        post.everybody = reply
        numbers = range(taken_before, taken_before + 30)
        await office.queue([survey(number) for number in numbers])
        for _ in range(4):
            await carry_on(office)
        states = await office.states()
        assert {states[f"send-{number}"] for number in numbers} == {"queued"}
        assert len(await office.published()) == taken_before
        [trouble] = office.runtime.health._troubles.values()
        assert reply.removeprefix("data ").split()[0] in trouble
        assert await office.deliver.step() is False, "it goes on at full speed"
        post.everybody = ""
        for _ in range(3):
            await carry_on(office)
        assert len(post.mails) == taken_before + 30
        assert office.runtime.health._troubles == {}


async def test_in_its_pause_the_courier_asks_nothing_and_after_it_begins_with_one_mail(
    open_office: Open, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_FIRST_PAUSE", 30.0)
    office = await open_office(retry_limit_seconds=45)
    post.everybody = "421 4.7.0 Too many of you"
    await office.queue([survey(number) for number in range(10)])
    await office.carry()
    asked = post.refused.total()
    await office.at_once()
    await office.carry()
    assert post.refused.total() == asked >= 10
    await carry_on(office)
    assert post.refused.total() == asked + 1
    post.everybody = ""
    await carry_on(office)
    assert len(post.mails) == 10
    await office.queue([survey(number) for number in range(10, 20)])
    await office.deliver.step()
    assert len(post.mails) == 20, "it goes on one by one"


async def test_two_halves_of_a_burst_that_fail_are_one_failure(
    open_office: Open, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_FIRST_PAUSE", 20.0)
    office = await open_office(courier_burst=4, retry_limit_seconds=45)
    post.everybody = "421 4.7.0 Too many of you"
    await office.queue([survey(number) for number in range(10)])
    await office.carry()
    assert post.refused.total() == 4, "both halves"
    assert office.deliver._resume_at <= time.monotonic() + 20


async def test_a_half_that_is_taken_ends_the_pause_of_the_one_before(
    open_office: Open, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_FIRST_PAUSE", 20.0)
    office = await open_office(courier_burst=2, retry_limit_seconds=45)
    failed = asyncio.Event()

    async def wait() -> None:
        await failed.wait()

    post.script["ana-1@example.com"].append("421 4.3.0 Not this one")
    post.script["ana-2@example.com"].append(wait)
    note = office.deliver._note_availability

    def noted(*arguments: Any) -> None:
        note(*arguments)
        failed.set()

    monkeypatch.setattr(office.deliver, "_note_availability", noted)
    await office.queue([survey(1)])
    await office.queue([survey(2)])
    await office.deliver.step()
    assert post.recipients() == ["ana-2@example.com"]
    assert office.deliver._resume_at <= time.monotonic()
    assert office.runtime.health._troubles == {}


async def test_a_burst_that_is_cancelled_leaves_no_transmission_behind(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = asyncio.Event(), []

    async def transmit(_message: Email, _may_begin: MayBegin) -> TransmissionOutcome:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            ended.append(True)
        raise AssertionError

    monkeypatch.setattr(office.channel, "transmit", transmit)
    await office.queue([survey(1)])
    burst = asyncio.create_task(office.carry())
    await begun.wait()
    burst.cancel()
    with pytest.raises(asyncio.CancelledError):
        await burst
    assert ended == [True]


async def test_a_server_that_takes_some_of_a_burst_is_not_waited_for(office: Office, post: PostOffice) -> None:
    post.script["ana-1@example.com"].extend(["421 4.3.0 Not this one"] * 5)
    await office.queue([survey(number) for number in range(1, 11)])
    await office.carry()
    assert len(post.mails) == 9
    assert office.runtime.health._troubles == {} and office.deliver._resume_at == 0


async def test_dead_mailboxes_among_living_ones_stop_nobody(office: Office, post: PostOffice) -> None:
    dead = range(1, 21, 2)
    for number in dead:
        post.script[f"ana-{number}@example.com"].extend(["550 5.1.1 Gone"] * 5)
    await office.queue([survey(number) for number in range(1, 21)])
    for _ in range(4):
        await carry_on(office)
    assert [kind for kind, _, _ in await office.published()].count("delivery.bounced") == len(dead)
    assert len(post.mails) == 10
    assert office.runtime.health._troubles == {}


async def test_a_dead_mailbox_that_nobody_else_is_written_beside_bounces_at_the_third_try(
    office: Office, post: PostOffice
) -> None:
    post.script["ana-1@example.com"].extend(["550 5.1.1 Gone"] * 5)
    await office.queue([survey(1)])
    for tries in (1, 2):
        await carry_on(office)
        assert post.refused["ana-1@example.com"] == tries
        assert await office.published() == []
    await carry_on(office)
    assert await office.published() == [("delivery.bounced", "send-1", "550 5.1.1")]


async def test_the_server_is_asked_to_take_one_mailbox_out_of_many_ever_more_rarely_and_not_for_ever(
    open_office: Open, post: PostOffice
) -> None:
    for reply in ("421 4.3.0 Not this one", "450 4.2.0 Not now", "552 5.2.2 Full", "530 5.7.0 Log in for this one"):
        number = int(reply[:3])
        post.script[f"ana-{number}@example.com"].extend([reply] * 50)
    office = await open_office(
        courier_retry_seconds=10,
        courier_retry_limit_seconds=80,
        courier_give_up_days=400 / 86_400,
        # On a busy machine a second passes before the server has replied: that is no try, and would be one pause more.
        courier_mail_seconds=20,
        courier_lease_seconds=60,
    )
    await office.queue([survey(number) for number in (421, 450, 530, 552)])
    pauses: list[float] = []
    for number in range(14):
        await office.queue([survey(number)])
        office.deliver._resume_at = 0
        await office.carry()
        waiting = await office.rows(
            "SELECT extract(epoch FROM min(available_at) - now()) AS pause FROM deliveries WHERE state = 'queued'"
        )
        if waiting[0].pause is None:
            break
        pauses.append(float(waiting[0].pause))
        await office.at_once()
    ended = {send_id: reason for kind, send_id, reason in await office.published() if kind == "delivery.failed"}
    assert ended == {
        "send-421": "gave_up 421 4.3.0",
        "send-450": "gave_up 450 4.2.0",
        "send-552": "gave_up 552 5.2.2",
        "send-530": "gave_up 530 5.7.0",
    }
    # 10 + 20 + 40 + 80 + 80 + 80 + 80 + 80 seconds are more than 400, with the pauses varied by a quarter.
    assert 6 <= len(pauses) <= 9
    assert pauses[0] < 13 and pauses[4] > 25 and max(pauses) <= 100


async def test_what_is_stored_of_one_delivery_stops_no_other(office: Office, post: PostOffice) -> None:
    surveys = [survey(number, order_id=f"o-{number}") for number in range(1, 8)]
    await office.queue(surveys)
    async with office.runtime.transaction() as connection:
        await known_orders.lock(connection, {"o-5": "customer-5", "o-6": "customer-6", "o-7": "customer-7"})
        await connection.execute(
            text('UPDATE orders SET facts = \'{"happened": {"order.placed": "soon"}}\' WHERE order_id = \'o-6\'')
        )
        await connection.execute(text("UPDATE orders SET facts = '[]' WHERE order_id = 'o-7'"))
        await customers.lock(connection, ["customer-2"])
        await connection.execute(text('UPDATE customers SET channels = \'[{"channel": "pigeon"}]\''))
        await connection.execute(text("UPDATE deliveries SET survey = survey - 'locale' WHERE send_id = 'send-3'"))
        await connection.execute(
            text("UPDATE deliveries SET survey = jsonb_set(survey, '{send_id}', '\"\"') WHERE send_id = 'send-4'")
        )
    await office.carry()
    assert sorted(post.recipients()) == ["ana-1@example.com", "ana-5@example.com"]
    assert {each for each in await office.published() if each[0] == "delivery.failed"} == {
        ("delivery.failed", f"send-{number}", "unusable") for number in (2, 3, 4, 6, 7)
    }


async def test_an_outcome_that_cannot_be_written_stops_no_other(office: Office, post: PostOffice) -> None:
    """Its delivery counts as unresolved, as if the courier had died."""
    await office.queue([survey(number) for number in range(1, 4)])
    async with office.runtime.transaction() as connection:
        await connection.execute(text("UPDATE deliveries SET campaign = '' WHERE send_id = 'send-2'"))
    with capture_logs() as logs:
        await office.carry()
    assert await office.states() == {"send-1": "accepted", "send-2": "transmitting", "send-3": "accepted"}
    assert "@" not in str(logs)


async def test_a_message_that_cannot_be_composed_or_handed_over_stops_no_other(
    office: Office, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose, transmit = office.channel.compose, office.channel.transmit

    def compose_but_one(delivery: QueuedDelivery, campaign: CampaignPublished, now: datetime) -> Email | Ending:
        if delivery.survey.send_id == "send-1":
            raise UnicodeError("ana-1@example.com")
        return compose(delivery, campaign, now)

    async def transmit_but_one(message: Email, may_begin: MayBegin) -> TransmissionOutcome:
        if message.recipient.startswith("ana-2@"):
            raise KeyError("ana-2@example.com")
        return await transmit(message, may_begin)

    monkeypatch.setattr(office.channel, "compose", compose_but_one)
    monkeypatch.setattr(office.channel, "transmit", transmit_but_one)
    await office.queue([survey(number) for number in range(1, 4)])
    with capture_logs() as logs:
        await office.carry()
    assert await office.states() == {"send-1": "failed", "send-2": "transmitting", "send-3": "accepted"}
    assert "@" not in str(logs) and len(logs) == 2


async def test_outcomes_are_written_while_the_rest_of_the_burst_is_under_way(office: Office, post: PostOffice) -> None:
    released = asyncio.Event()

    async def hold() -> None:
        await released.wait()

    post.script["ana-2@example.com"].append(hold)
    await office.queue([survey(1), survey(2)])
    burst = asyncio.create_task(office.carry())
    await eventually(
        office.states, "the first outcome", wanted=lambda states: states["send-1"] == "accepted", within=0.9
    )
    assert (await office.states())["send-2"] == "transmitting"
    released.set()
    await burst
    assert (await office.states())["send-2"] == "accepted"


async def test_a_rate_that_outlasts_the_lease_sends_each_mail_once(open_office: Open, post: PostOffice) -> None:
    office: Office = await open_office(
        receipts=False, courier_mails_per_second=10, courier_mail_seconds=0.3, courier_lease_seconds=0.6
    )
    await office.queue([survey(number) for number in range(12)])
    carried = asyncio.create_task(office.carry())
    while not carried.done():
        await office.unresolved.step()
        await asyncio.wait([carried], timeout=0.05)
    await carried
    assert len(post.mails) == 12
    assert set((await office.states()).values()) == {"accepted"}


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


async def test_an_order_cancelled_since_the_decision_is_not_asked_about(office: Office, post: PostOffice) -> None:
    campaign = Campaign.model_validate(
        {"id": "service-nps", "subject_of_question": "service", "trigger": {"after": "order.placed"}}
    )
    stored = StoredCampaign(campaign=campaign, version=1, brand=office.runtime.brand)
    cancelled = OrderEvent(order_id="o-1", occurred_at=NOW, customer=orders.Customer(id="customer-1"))
    async with office.runtime.transaction() as connection:
        await campaigns.write(connection, [stored], NOW)
        await known_orders.lock(connection, {"o-1": "customer-1", "o-2": "customer-2"})
        await known_orders.write(connection, [fold_order(Order("o-1"), orders.CANCELLED, cancelled)])
    await office.queue([survey(1, order_id="o-1"), survey(2, order_id="o-2"), survey(3, order_id="o-unknown")])
    await office.carry()
    assert sorted(post.recipients()) == ["ana-2@example.com", "ana-3@example.com"]
    assert ("delivery.failed", "send-1", "order_cancelled") in await office.published()


async def test_nothing_is_sent_while_the_dispatcher_has_not_read_what_could_forbid_it(
    office: Office, post: PostOffice
) -> None:
    class Behind:
        waited: ClassVar[list[bool]] = []
        age = 60.0

        async def until(self) -> ReadUntil | None:
            return ReadUntil(NOW, NOW, time.monotonic() - self.age)

        async def note(self, *, waiting: bool) -> None:
            self.waited.append(waiting)

    reads = office.runtime.reads = Behind()
    await office.queue([survey(1)])
    assert await office.deliver.step() is False
    assert post.mails == []
    reads.age = 0.5
    await office.carry()
    assert post.recipients() == ["ana-1@example.com"]
    assert reads.waited[:2] == [True, False]
