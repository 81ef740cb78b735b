"""What every email is made of."""

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default

import pytest

from shared.mail.addresses import mailbox
from shared.mail.message import Body, Sender, header_text, message_id, write_email
from shared.mail.quoted_printable import quoted_printable

SENDER = mailbox("surveys@shop.test")


def test_an_email_reads_back_as_it_was_written() -> None:
    email = write_email(
        identity=message_id("case-7", SENDER),
        sender=Sender(mailbox=SENDER, name="Fjord & Fell", reply_to=mailbox("help@shop.test")),
        to=mailbox("ana@example.com"),
        to_name="김민지",
        subject="Ein sehr langer Betreff mit Umlauten: äöü, der auf keine einzelne Kopfzeile der Nachricht mehr passt",
        date=datetime(2026, 11, 1, 9, 30, tzinfo=UTC),
        language="de",
        headers={"X-Hearback-Case": "7"},
        body=Body(text=quoted_printable("Grüße\n"), html=quoted_printable("<p>Grüße</p>")),
    )
    assert (email.sender, email.recipient) == ("surveys@shop.test", "ana@example.com")
    message = message_from_bytes(email.content, policy=default)
    assert message.defects == []
    assert message["From"] == "Fjord & Fell <surveys@shop.test>" and message["Reply-To"] == "help@shop.test"
    assert message["To"] == "김민지 <ana@example.com>"
    assert str(message["Subject"]).startswith("Ein sehr langer Betreff mit Umlauten: äöü, der")
    assert message["X-Hearback-Case"] == "7" and message["Message-ID"] == "<case-7@shop.test>"
    assert [part.get_content().strip() for part in message.iter_parts()] == ["Grüße", "<p>Grüße</p>"]
    names_and_subject = email.content.partition(b"\r\nDate: ")[0]
    assert all(len(line) <= 76 for line in names_and_subject.splitlines())


@pytest.mark.parametrize(
    "hidden", ["=?utf-8?b?aHR0cHM6Ly9ldmlsLmV4YW1wbGU=?=", "=?utf-8?q?https=3A//evil?=", "=?x?b?!?="]
)
def test_text_that_looks_encoded_is_shown_as_it_is_and_not_as_what_it_hides(hidden: str) -> None:
    email = write_email(
        identity=message_id("1", SENDER),
        sender=Sender(mailbox=SENDER, name=f"Shop {hidden}"),
        to=mailbox("ana@example.com"),
        to_name=hidden,
        subject=f"How do you like {hidden}?",
        date=datetime(2026, 11, 1, tzinfo=UTC),
        language="en",
        headers={"X-Hearback-Send-Id": header_text("X-Hearback-Send-Id", hidden)},
        body=Body(text="", html=""),
    )
    message = message_from_bytes(email.content)

    def shown(header: str) -> str:
        return str(make_header(decode_header(message[header].replace("\r\n", ""))))

    assert shown("Subject") == f"How do you like {hidden}?"
    assert shown("From").startswith(f"Shop {hidden} <")
    assert shown("To").startswith(f"{hidden} <")
    assert shown("X-Hearback-Send-Id") == hidden


def test_a_send_id_that_is_no_plain_word_still_has_one_message_id() -> None:
    strange = message_id("a b>\u00e9", SENDER)
    assert re.fullmatch(r"<[0-9a-f]{64}@shop\.test>", strange)
    assert strange == message_id("a b>\u00e9", SENDER) != message_id("a b>", SENDER)
