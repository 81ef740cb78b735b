"""The email channel on a real mail server: connections are reused, the rate limit is kept."""

import time

from services.dispatcher.courier.channels.email.channel import EmailChannel
from tests.integration.dispatcher.courier.conftest import Open, survey
from tests.integration.dispatcher.courier.post_office import PostOffice


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


def test_the_provider_is_a_label_without_personal_data() -> None:
    assert EmailChannel.provider == "smtp"
