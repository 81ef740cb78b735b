"""Where a server allows it, a mail takes one round trip; and whatever happens to one, the next is not lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from shared.mail import smtp
from tests.integration.dispatcher.courier.conftest import Office, Open, survey
from tests.integration.dispatcher.courier.rude_server import CLOSE, SILENCE, RudeServer, open_rude_server

ENVELOPE = ["MAIL", "RCPT"]


@pytest_asyncio.fixture(loop_scope="session")
async def rude() -> AsyncIterator[RudeServer]:
    async with open_rude_server(pipelining=True) as server:
        yield server


async def office_for(open_office: Open, rude: RudeServer, **settings: object) -> Office:
    opened: Office = await open_office(
        smtp_url=f"smtp://127.0.0.1:{rude.port}", receipts=False, **{"courier_connections": 1, **settings}
    )
    return opened


def recipients(rude: RudeServer) -> list[str]:
    return [str(mail["To"]).rpartition("<")[2].rstrip(">") for mail in rude.kept]


async def test_the_envelope_leaves_together_and_behind_the_content_before_it(
    open_office: Open, rude: RudeServer
) -> None:
    office = await office_for(open_office, rude)
    await office.queue([survey(number) for number in range(1, 4)])
    # Only whoever does not wait for them gets to the end.
    rude.held = [*ENVELOPE, *(["content", *ENVELOPE] * 2)]
    await office.carry()
    assert recipients(rude) == [f"ana-{number}@example.com" for number in range(1, 4)]
    assert rude.held == [] and rude.connections == 1
    assert set((await office.states()).values()) == {"accepted"}


async def test_a_recipient_that_is_refused_gets_nothing_and_takes_nobody_along(
    open_office: Open, rude: RudeServer
) -> None:
    """Servers refuse DATA then; one that asks for the content nevertheless does not get it."""
    for first, data in ((10, "554 5.5.1 No valid recipients"), (20, "354 go on")):
        office = await office_for(open_office, rude)
        rude.rudeness |= {"RCPT": "550 5.1.1 No such user", "DATA": data}
        before = len(rude.kept)
        await office.queue([survey(number) for number in range(first, first + 3)])
        await office.carry()
        assert recipients(rude)[before:] == [f"ana-{number}@example.com" for number in (first + 1, first + 2)]
        assert ("delivery.bounced", f"send-{first}", "550 5.1.1") in await office.published()


@pytest.mark.parametrize("reply", ["421 4.3.2 Closing", "554 5.6.0 No", CLOSE])
async def test_what_happens_to_a_content_is_not_about_the_next_mail(
    open_office: Open, rude: RudeServer, reply: str
) -> None:
    office = await office_for(open_office, rude)
    await office.queue([survey(1), survey(2)])
    rude.rudeness["content"] = reply
    await office.carry()
    assert recipients(rude) == ["ana-2@example.com"]
    first = {"421": "queued", "554": "failed"}.get(reply[:3], "transmitting")
    assert await office.states() == {"send-1": first, "send-2": "accepted"}


async def test_a_mail_does_not_wait_behind_one_that_hangs(
    open_office: Open, rude: RudeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "_PATIENCE_SECONDS", 0.2)
    office = await office_for(
        open_office, rude, courier_connections=2, courier_mail_seconds=20, courier_lease_seconds=60
    )
    await office.queue([survey(number) for number in range(1, 4)])
    rude.rudeness["content"] = SILENCE
    burst = asyncio.create_task(office.carry())
    while len(rude.kept) < 2:
        assert not burst.done()
        await asyncio.sleep(0.02)
    burst.cancel()
    with pytest.raises(asyncio.CancelledError):
        await burst


async def test_a_rate_is_kept_by_announcing_nothing_ahead_of_its_turn(open_office: Open, rude: RudeServer) -> None:
    office = await office_for(open_office, rude, courier_mails_per_second=200, courier_lease_seconds=30)
    await office.queue([survey(number) for number in range(1, 4)])
    rude.held = [*ENVELOPE, *ENVELOPE, *ENVELOPE]
    await office.carry()
    said = [line.split()[0] for line in rude.heard if not line.startswith(("EHLO", "QUIT"))]
    assert said == ["MAIL", "RCPT", "DATA"] * 3
    assert len(rude.kept) == 3


async def test_a_connection_that_said_goodbye_is_not_used_again(open_office: Open, rude: RudeServer) -> None:
    office = await office_for(open_office, rude)
    await office.queue([survey(1)])
    await office.carry()
    [(client, _)] = office.channel._transport._idle
    client.data_received(b"421 4.4.2 Timeout, closing\r\n")
    await office.queue([survey(2)])
    await office.carry()
    assert recipients(rude) == ["ana-1@example.com", "ana-2@example.com"]
    assert rude.connections == 2


async def test_nothing_is_announced_any_more_to_a_server_that_loses_it(open_office: Open, rude: RudeServer) -> None:
    office = await office_for(open_office, rude, courier_lease_seconds=60)
    rude.drops_behind = True
    await office.queue([survey(number) for number in range(1, 9)])
    async with asyncio.timeout(5):
        await office.carry()
    assert recipients(rude) == [f"ana-{number}@example.com" for number in range(1, 9)]
    assert rude.connections == 2, "more than the first of them was waited for in vain"
    assert set((await office.states()).values()) == {"accepted"}
