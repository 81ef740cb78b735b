"""The email channel on a real mail server: connections are reused, the rate limit is kept."""

import asyncio
import time

from services.dispatcher.courier.channels.email.channel import EmailChannel
from shared.mail.addresses import mailbox
from shared.mail.message import Email
from shared.transmission import ACCEPTED, NOT_BEGUN
from tests.integration.dispatcher.courier.conftest import Open, survey
from tests.integration.dispatcher.courier.post_office import PostOffice

MAIL = Email(sender=mailbox("us@shop.test"), recipient=mailbox("ana@example.com"), content=b"Subject: Hi\r\n\r\nHi\r\n")


async def test_connections_are_kept_and_a_dead_one_is_noticed(open_office: Open, post: PostOffice) -> None:
    office = await open_office(courier_connections=2)
    await office.queue([survey(number) for number in range(60)])
    await office.carry()
    assert len(post.mails) == 60
    assert post.connections == 2
    for client, _ in office.channel._transport._idle:
        client.transport.abort()
    await office.queue([survey(number) for number in range(100, 110)])
    await office.carry()
    assert len(post.mails) == 70
    assert set((await office.states()).values()) == {"accepted"}


async def test_the_rate_is_kept(open_office: Open, post: PostOffice) -> None:
    office = await open_office(courier_mails_per_second=50, courier_lease_seconds=30)
    await office.queue([survey(number) for number in range(26)])
    began = time.monotonic()
    await office.carry()
    assert len(post.mails) == 26
    assert time.monotonic() - began >= 25 / 50


async def test_a_turn_that_comes_too_late_is_given_back_and_not_waited_for(open_office: Open, post: PostOffice) -> None:
    office = await open_office(courier_mails_per_second=0.1, courier_mail_seconds=15, courier_lease_seconds=40)

    def may_begin(in_seconds: float) -> bool:
        return in_seconds < 1

    assert await office.channel.transmit(MAIL, may_begin) is ACCEPTED
    async with asyncio.timeout(5):
        outcomes = [await office.channel.transmit(MAIL, may_begin) for _ in range(3)]
    assert outcomes == [NOT_BEGUN] * 3
    assert office.channel._transport._pace.wait() <= 10, "a turn that nobody used was taken"


async def test_what_may_no_longer_begin_when_its_turn_has_come_is_not_announced(
    open_office: Open, post: PostOffice
) -> None:
    office = await open_office()
    allowed = iter([True, False])
    assert await office.channel.transmit(MAIL, lambda _: next(allowed)) is NOT_BEGUN
    assert post.connections == 0


def test_the_provider_is_a_label_without_personal_data() -> None:
    assert EmailChannel.provider == "smtp"
