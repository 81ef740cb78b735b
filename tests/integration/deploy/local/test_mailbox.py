"""The mailbox over real sockets: it has stored everything it acknowledged with 250, and can simulate failures."""

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest
import pytest_asyncio

from deploy.local.ports import HOST, free_port
from deploy.local.programs import Program
from deploy.local.readiness import answers_ready
from deploy.local.supervisor import Supervisor


@dataclass(frozen=True)
class Mailbox:
    smtp_port: int
    url: str
    supervisor: Supervisor

    async def send(self, to: str, message_id: str, subject: str = "How did we do?") -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Shop <shop@example.com>", to, subject
        mail["Message-ID"] = message_id
        mail.set_content("Answer: https://shop.example/s/plain")
        mail.add_alternative(
            "<a href=\"https://shop.example/s/t?score=9&amp;x=1\">9</a><a href='https://shop.example/u'>u</a>"
            '<a href="https://shop.example/s/t?score=9&amp;x=1">again</a>',
            subtype="html",
        )
        await aiosmtplib.send(mail, hostname=HOST, port=self.smtp_port)

    async def messages(self, **query: str | int) -> list[dict[str, object]]:
        async with httpx.AsyncClient(base_url=self.url) as client:
            found: list[dict[str, object]] = (await client.get("/api/messages", params=query)).json()["messages"]
            return found

    async def accepted(self, message_id: str) -> bool:
        async with httpx.AsyncClient(base_url=self.url) as client:
            answer = await client.get("/api/receipts", params={"message_id": message_id})
            return bool(answer.json()["accepted"])


@pytest_asyncio.fixture(loop_scope="session")
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    http_port, smtp_port = free_port(), free_port()
    supervisor = Supervisor(tmp_path / "processes.json")
    await supervisor.start(
        Program(
            name="mailbox",
            command=(sys.executable, "-m", "deploy.local.mailbox"),
            log_file=tmp_path / "mailbox.log",
            environment={
                "HEARBACK_HTTP_PORT": str(http_port),
                "HEARBACK_SMTP_PORT": str(smtp_port),
                "HEARBACK_MAILBOX_FILE": str(tmp_path / "mails.sqlite"),
                "HEARBACK_MAILBOX_KEEP": "5",
            },
            ready=lambda: answers_ready(http_port),
        )
    )
    yield Mailbox(smtp_port, f"http://{HOST}:{http_port}", supervisor)
    await supervisor.stop_all()


async def test_a_mail_can_be_read_with_its_links_as_a_customer_would_follow_them(mailbox: Mailbox) -> None:
    await mailbox.send("Ana@example.com", "<m-1@hearback>", subject="김치는 어땠나요? 😀")
    [mail] = await mailbox.messages(to="ana@example.com")
    assert mail["subject"] == "김치는 어땠나요? 😀"
    assert mail["message_id"] == "m-1@hearback"
    assert mail["links"] == ["https://shop.example/s/t?score=9&x=1", "https://shop.example/u"]
    assert await mailbox.messages(after=int(str(mail["id"]))) == []
    assert await mailbox.messages(to="bob@example.com") == []


BROKEN = [
    b"Subject: =?utf-8?b?aGVsbG8gd29ybG?= =?utf-8?b?!?=",
    b"Subject: =?utf-8?b?a?=",
    b"Subject: =?klingon?q?nuqneH?=",
    b"Subject: =?utf-8?q?=ED=A0=80?=",
    b"Subject: =?utf-7?q?+2AA-?=",
    b"Subject: caf\xe9 \xff",
    b"Message-ID: <\xff@x>",
    b"Content-Type: text/html; charset=klingon",
    b"Content-Type: text/html; charset=utf-16\r\nContent-Transfer-Encoding: base64",
    b"Content-Type: multipart/mixed; boundary=x\r\n =?",
    b"not a header at all",
]


async def test_broken_mails_are_kept_and_those_behind_them_too(mailbox: Mailbox) -> None:
    async with (
        aiosmtplib.SMTP(hostname=HOST, port=mailbox.smtp_port, timeout=5) as smtp,
        httpx.AsyncClient(base_url=mailbox.url) as client,
    ):
        for number, broken in enumerate(BROKEN):
            raw = b"From: shop@example.com\r\nTo: ana@example.com\r\n" + broken + b"\r\n\r\n\xff\xfe body"
            await smtp.sendmail("shop@example.com", [f"ana-{number}@example.com"], raw)
            await smtp.sendmail("shop@example.com", ['"a..b"@example.jp'], b"Subject: fine\r\n\r\nbody")
            first, second = (await mailbox.messages())[-2:]
            assert (first["to"], second["to"]) == (f"ana-{number}@example.com", "a..b@example.jp")
            for page in ("/", f"/messages/{first['id']}", f"/messages/{first['id']}/body", "/readyz"):
                assert (await client.get(page)).status_code == 200, (broken, page)


async def test_what_was_answered_with_250_survives_kill_9(mailbox: Mailbox) -> None:
    for number in range(3):
        await mailbox.send("ana@example.com", f"<m-{number}@hearback>")
    await mailbox.supervisor.kill("mailbox")
    await mailbox.supervisor.ready("mailbox")
    assert [mail["message_id"] for mail in await mailbox.messages()] == [
        "m-0@hearback",
        "m-1@hearback",
        "m-2@hearback",
    ]


async def test_only_the_newest_mails_are_kept_but_their_receipts_longer(mailbox: Mailbox) -> None:
    for number in range(8):
        await mailbox.send("ana@example.com", f"<m-{number}@hearback>")
    assert len(await mailbox.messages()) == 5
    assert await mailbox.accepted("<m-0@hearback>")
    assert not await mailbox.accepted("<never@hearback>")


async def test_a_refused_mail_leaves_neither_mail_nor_receipt(mailbox: Mailbox) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await mailbox.send("bounce-1@example.com", "<m-1@hearback>")
    assert refused.value.recipients[0].code == 550
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as put_off:
        await mailbox.send("defer-1@example.com", "<m-2@hearback>")
    assert put_off.value.recipients[0].code == 451
    assert await mailbox.messages() == []
    assert not await mailbox.accepted("<m-1@hearback>")


async def test_a_greylisted_mail_comes_in_at_the_second_try(mailbox: Mailbox) -> None:
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await mailbox.send("grey-1@example.com", "<m-1@hearback>")
    await mailbox.send("grey-1@example.com", "<m-1@hearback>")
    assert len(await mailbox.messages()) == 1


async def test_a_cut_connection_leaves_the_sender_unsure_and_the_receipt_tells(mailbox: Mailbox) -> None:
    with pytest.raises(aiosmtplib.SMTPServerDisconnected):
        await mailbox.send("cut-1@example.com", "<m-1@hearback>")
    assert await mailbox.accepted("<m-1@hearback>")


async def test_pages_show_mails_without_letting_them_run_anything(mailbox: Mailbox) -> None:
    await mailbox.send("ana@example.com", "<m-1@hearback>", subject="<script>alert(1)</script>")
    [mail] = await mailbox.messages()
    async with httpx.AsyncClient(base_url=mailbox.url) as client:
        page = (await client.get("/")).text
        assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
        assert "Text part" in (await client.get(f"/messages/{mail['id']}")).text
        body = await client.get(f"/messages/{mail['id']}/body")
        assert "sandbox" in body.headers["content-security-policy"]
        assert "allow-scripts" not in body.headers["content-security-policy"]
        assert (await client.get("/messages/999")).status_code == 404


async def test_a_senseless_rule_stops_the_start_with_a_sentence_naming_it(tmp_path: Path) -> None:
    import asyncio

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.local.mailbox", stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HEARBACK_MAILBOX_RULES": "bounce-=sometimes"},
    )  # fmt: skip
    _, error = await process.communicate()
    assert process.returncode != 0
    assert b"HEARBACK_MAILBOX_RULES" in error and b"bounce-=sometimes" in error and b"Traceback" not in error
