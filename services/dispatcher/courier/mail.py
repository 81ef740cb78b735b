"""One e-mail as the bytes SMTP carries: headers, a text part and an HTML part."""

import binascii
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import Message
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from hashlib import sha256
from re import compile as pattern

from services.dispatcher.courier.domain.addresses import Mailbox, domain_of
from services.dispatcher.courier.domain.wording import Wording, given_name, one_line
from services.dispatcher.courier.template import Rendered
from shared.contracts.sends import SurveySent

_PLAIN_ID = pattern(r"[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mail is from. ``name`` empty: the campaign's brand."""

    mailbox: Mailbox
    name: str = ""
    reply_to: Mailbox | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail ready to hand over: envelope and content."""

    send_id: str
    sender: Mailbox
    recipient: Mailbox
    content: bytes


def message_id(send_id: str, sender: Mailbox) -> str:
    """The Message-ID of a survey's mail, the same however often it is tried, so that a twin can be recognised."""
    local_part = send_id if _PLAIN_ID.fullmatch(send_id) else sha256(send_id.encode()).hexdigest()
    return f"<{local_part}@{domain_of(sender)}>"


def compose(
    survey: SurveySent, to: Mailbox, sender: Sender, identity: str, words: Wording, parts: Rendered, now: datetime
) -> Letter:
    """The mail for ``survey``; ``identity`` is its Message-ID, ``now`` its Date (any zone).

    No header can be split by what a customer or a campaign is called: each is one line when it comes here.
    """
    boundary = f"survey-{sha256(identity.encode()).hexdigest()[:32]}"
    mail = Message(policy=SMTP)
    mail["From"] = _mailbox_header(sender.name or words.brand, sender.mailbox)
    mail["To"] = _mailbox_header(given_name(survey.recipient.name), to)
    if sender.reply_to:
        mail["Reply-To"] = sender.reply_to
    mail["Subject"] = _text_header("Subject", words.subject)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = identity
    mail["X-Hearback-Send-Id"] = _text_header("X-Hearback-Send-Id", survey.send_id)
    # RFC 2919: lets a reader sort all surveys of one campaign; RFC 8058: the mail program's own unsubscribe button.
    mail["List-Id"] = f"<{_list_label(survey.campaign)}.{domain_of(sender.mailbox)}>"
    mail["List-Unsubscribe"] = f"<{survey.unsubscribe_url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    # RFC 3834: holiday replies and other robots should not answer.
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = words.language
    mail["MIME-Version"] = "1.0"
    mail["Content-Type"] = f'multipart/alternative; boundary="{boundary}"'
    mail.set_payload([_part("plain", parts.text), _part("html", parts.html)])
    return Letter(survey.send_id, sender.mailbox, to, mail.as_bytes())


def _part(kind: str, text: str) -> Message:
    part = Message(policy=SMTP)
    part["Content-Type"] = f"text/{kind}; charset=utf-8"
    part["Content-Transfer-Encoding"] = "quoted-printable"
    lines = text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
    part.set_payload(binascii.b2a_qp(lines, istext=True).decode("ascii"))
    return part


def _text_header(name: str, text: str) -> str:
    line = one_line(text)
    return line if line.isascii() else Header(line, "utf-8", header_name=name).encode()


def _mailbox_header(name: str, mailbox: Mailbox) -> str:
    return formataddr((one_line(name), mailbox), "utf-8") if name else mailbox


def _list_label(campaign: str) -> str:
    return campaign.lower() if _PLAIN_ID.fullmatch(campaign) else "surveys"
