"""Mail servers that misbehave at any step: no email is lost, none is sent twice, and no customer is blamed for it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.dispatcher.courier.conftest import Office, Open, survey
from tests.integration.dispatcher.courier.rude_server import CLOSE, SILENCE, RudeServer, open_rude_server

GARBAGE = "once upon a time"
OVERLONG = "250-" + "x" * 9_000


@pytest_asyncio.fixture(loop_scope="session", params=[False, True], ids=["one by one", "pipelining"])
async def rude(request: pytest.FixtureRequest) -> AsyncIterator[RudeServer]:
    async with open_rude_server(pipelining=request.param) as server:
        yield server


async def accepted_after(office: Office, rude: RudeServer) -> None:
    """The survey arrives once, after the server has recovered."""
    for _ in range(4):
        office.deliver._resume_at = 0
        await office.carry()
        await office.at_once()
        await office.unresolved.step()
    assert len(rude.kept) == 1
    assert await office.published() == [("delivery.accepted", "send-1", None)]


@pytest.mark.parametrize(
    "rudeness",
    [CLOSE, SILENCE, GARBAGE, OVERLONG, "421 4.3.2 Closing", "451 4.3.0 Try later", "554 5.3.2 No mail here"],
)
@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL"])
async def test_trouble_before_a_recipient_is_named_blames_no_mail(
    open_office: Open, rude: RudeServer, step: str, rudeness: str
) -> None:
    if step == "EHLO" and rudeness[0] in "45":
        # An old server may only reject EHLO: HELO works.
        rude.rudeness["HELO"] = rudeness
    office: Office = await open_office(smtp_url=f"smtp://127.0.0.1:{rude.port}", receipts=False)
    rude.rudeness[step] = rudeness
    await office.queue([survey()])
    await office.deliver.step()
    assert rude.kept == []
    [row] = await office.rows("SELECT state, attempts FROM deliveries")
    assert (row.state, row.attempts) == ("queued", 0)
    assert "mail server" in office.runtime.health._troubles
    await accepted_after(office, rude)
    assert "mail server" not in office.runtime.health._troubles


@pytest.mark.parametrize(
    "rudeness", [CLOSE, SILENCE, "421 4.3.2 Closing", "503 5.5.1 Nested", "530 5.7.0 Authentication required"]
)
async def test_trouble_that_is_not_about_the_recipient_blames_no_recipient(
    open_office: Open, rude: RudeServer, rudeness: str
) -> None:
    office: Office = await open_office(smtp_url=f"smtp://127.0.0.1:{rude.port}", receipts=False)
    rude.rudeness["RCPT"] = rudeness
    await office.queue([survey()])
    await office.deliver.step()
    [row] = await office.rows("SELECT state, attempts FROM deliveries")
    # It may still be about this one: each 421 makes it wait longer.
    assert (row.state, row.attempts) == ("queued", int(rudeness.startswith("421")))
    await accepted_after(office, rude)


@pytest.mark.parametrize("step", ["RCPT", "DATA", "content"])
@pytest.mark.parametrize("reply", ["421 4.3.2 Closing", "450 4.2.0 Busy", "452 4.3.1 Full"])
async def test_not_now_is_tried_again(open_office: Open, rude: RudeServer, step: str, reply: str) -> None:
    office: Office = await open_office(smtp_url=f"smtp://127.0.0.1:{rude.port}", receipts=False)
    rude.rudeness[step] = reply
    await office.queue([survey()])
    await office.deliver.step()
    assert await office.states() == {"send-1": "queued"}
    await accepted_after(office, rude)


@pytest.mark.parametrize("rudeness", [CLOSE, SILENCE, GARBAGE, "250 2.0.0 Whatever", "334 Hm"])
async def test_a_content_that_was_not_asked_for_is_not_sent_and_tried_again(
    open_office: Open, rude: RudeServer, rudeness: str
) -> None:
    office: Office = await open_office(smtp_url=f"smtp://127.0.0.1:{rude.port}", receipts=False)
    rude.rudeness["DATA"] = rudeness
    await office.queue([survey()])
    await office.deliver.step()
    assert rude.kept == []
    assert await office.states() == {"send-1": "queued"}
    await accepted_after(office, rude)


@pytest.mark.parametrize("rudeness", [CLOSE, SILENCE, GARBAGE, "252 2.0.0 Perhaps"])
async def test_no_answer_about_the_content_is_unknown_and_never_sent_again_without_asking(
    open_office: Open, rude: RudeServer, rudeness: str
) -> None:
    office: Office = await open_office(smtp_url=f"smtp://127.0.0.1:{rude.port}", receipts=False)
    rude.rudeness["content"] = rudeness
    await office.queue([survey()])
    await office.deliver.step()
    assert await office.states() == {"send-1": "transmitting"}
    await office.at_once()
    await office.unresolved.step()
    await office.carry()
    assert rude.kept == []
    assert await office.published() == [("delivery.failed", "send-1", "unknown_outcome")]


async def test_an_old_server_without_extensions_is_spoken_to(open_office: Open, rude: RudeServer) -> None:
    office: Office = await open_office(smtp_url=f"smtp://127.0.0.1:{rude.port}", receipts=False)
    rude.rudeness["EHLO"] = "502 5.5.1 What?"
    await office.queue([survey()])
    await accepted_after(office, rude)
    assert any(line.startswith("HELO ") for line in rude.heard)
    assert not any("SIZE=" in line for line in rude.heard if line.startswith("MAIL"))


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
async def test_what_has_to_be_encrypted_is_not_said_in_the_clear(
    open_office: Open, rude: RudeServer, scheme: str
) -> None:
    """The server does not offer TLS: neither the password nor an address is sent."""
    office: Office = await open_office(smtp_url=f"{scheme}://shop:pass@127.0.0.1:{rude.port}", receipts=False)
    await office.queue([survey()])
    await office.deliver.step()
    assert {line.split()[0] for line in rude.heard} <= {"EHLO", "QUIT"} or scheme == "smtps"
    assert not any("example.com" in line or line.startswith("AUTH") for line in rude.heard)
    [row] = await office.rows("SELECT state, attempts FROM deliveries")
    assert (row.state, row.attempts) == ("queued", 0)


async def test_what_a_server_says_reaches_no_row_and_no_event(open_office: Open, rude: RudeServer) -> None:
    office: Office = await open_office(smtp_url=f"smtp://127.0.0.1:{rude.port}", receipts=False, courier_connections=1)
    rude.rudeness["content"] = "554 5.6.0 no email for ana-1@example.com, say\x1b[31m we"
    await office.queue([survey(1), survey(2)])
    await office.carry()
    assert await office.published() == [
        ("delivery.failed", "send-1", "554 5.6.0"),
        ("delivery.accepted", "send-2", None),
    ]
    assert "ana-1" not in str(await office.rows("SELECT reason, survey, customer_id FROM deliveries"))
