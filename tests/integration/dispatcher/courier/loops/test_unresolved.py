"""Emails that may or may not have arrived: resolved by receipts, or by the operator's setting."""

import asyncio

import pytest
from sqlalchemy import text

from tests.integration.dispatcher.courier.conftest import Office, Open, recover, survey
from tests.integration.dispatcher.courier.post_office import PostOffice
from tests.kit.eventually import until


@pytest.mark.parametrize("end", ["drop", "cut"])
async def test_a_connection_that_breaks_before_the_reply_is_cleared_up_by_a_receipt(
    office: Office, post: PostOffice, end: str
) -> None:
    post.script["ana-1@example.com"].append(end)
    await office.queue([survey(1), survey(2)])
    await office.carry()
    assert await office.states() == {"send-1": "transmitting", "send-2": "accepted"}
    await recover(office)
    assert sorted(post.recipients()) == ["ana-1@example.com", "ana-2@example.com"]
    assert [event[0] for event in await office.published()] == ["delivery.accepted"] * 2


async def test_a_reply_that_takes_too_long_is_unknown_and_not_a_reason_to_send_again(
    office: Office, post: PostOffice
) -> None:
    slow = asyncio.Event()

    async def think() -> None:
        await slow.wait()

    post.script["ana-1@example.com"].append(think)
    await office.queue([survey()])
    await office.carry()
    assert await office.states() == {"send-1": "transmitting"}
    slow.set()
    await until(lambda: bool(post.mails), "the email to arrive", within=10)
    await recover(office)
    assert len(post.mails) == 1
    assert await office.published() == [("delivery.accepted", "send-1", None)]


@pytest.mark.parametrize(
    ("decision", "mails", "event"),
    [("hold", 1, ("delivery.failed", "unknown_outcome")), ("resend", 2, ("delivery.accepted", None))],
)
async def test_without_receipts_the_setting_decides(
    open_office: Open, post: PostOffice, decision: str, mails: int, event: tuple[str, str | None]
) -> None:
    office: Office = await open_office(receipts=False, courier_unknown_outcome=decision)
    post.script["ana-1@example.com"].append("cut")
    await office.queue([survey()])
    await office.carry()
    await recover(office)
    assert len(post.mails) == mails
    assert [(kind, reason) for kind, _, reason in await office.published()] == [event]


async def test_a_mail_is_not_sent_a_third_time_however_often_its_connection_breaks(
    open_office: Open, post: PostOffice
) -> None:
    office: Office = await open_office(receipts=False, courier_unknown_outcome="resend")
    post.script["ana-1@example.com"].extend(["cut", "451 4.2.0 later", "cut", "cut"])
    await office.queue([survey()])
    for _ in range(4):
        await recover(office)
    assert len(post.mails) == 2
    assert await office.published() == [("delivery.failed", "send-1", "unknown_outcome")]


@pytest.mark.parametrize("reply", ["252 2.0.0 queued elsewhere", "354 go on"])
async def test_a_reply_that_is_neither_yes_nor_no_is_asked_about(office: Office, post: PostOffice, reply: str) -> None:
    post.script["ana-1@example.com"].append(f"took {reply}")
    await office.queue([survey()])
    await recover(office)
    assert len(post.mails) == 1
    assert await office.published() == [("delivery.accepted", "send-1", None)]


async def test_receipts_that_do_not_reply_are_asked_again(open_office: Open, post: PostOffice) -> None:
    office: Office = await open_office()
    replying, post.receipts_url = post.receipts_url, "http://127.0.0.1:1/"
    deaf: Office = await open_office()
    post.receipts_url = replying
    post.script["ana-1@example.com"].append("cut")
    await office.queue([survey()])
    await office.carry()
    await office.at_once()
    await deaf.unresolved.step()
    assert await office.states() == {"send-1": "transmitting"}
    await recover(office)
    assert len(post.mails) == 1
    assert await office.states() == {"send-1": "accepted"}


async def test_one_that_cannot_be_asked_about_holds_up_no_other(
    office: Office, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        post.script[f"ana-{number}@example.com"].append("cut")
    await office.queue([survey(1), survey(2)])
    await office.carry()
    await office.at_once()
    was_accepted = office.channel.was_accepted

    async def fails_for_one(message_id: str) -> bool | None:
        if "send-1" in message_id:
            raise ValueError(message_id)
        return await was_accepted(message_id)

    monkeypatch.setattr(office.channel, "was_accepted", fails_for_one)
    await office.unresolved.step()
    assert await office.states() == {"send-1": "transmitting", "send-2": "accepted"}


async def test_an_outcome_that_cannot_be_written_stops_no_other(office: Office, post: PostOffice) -> None:
    for number in (1, 2):
        post.script[f"ana-{number}@example.com"].append("cut")
    await office.queue([survey(1), survey(2), survey(3)])
    await office.carry()
    async with office.runtime.transaction() as connection:
        await connection.execute(text("UPDATE deliveries SET campaign = '' WHERE send_id = 'send-1'"))
    await office.at_once()
    await office.unresolved.step()
    assert await office.states() == {"send-1": "transmitting", "send-2": "accepted", "send-3": "accepted"}
