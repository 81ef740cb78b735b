"""One email as the bytes SMTP carries: headers, a text part and an HTML part."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr
from hashlib import sha256
from re import compile as pattern

from shared.mail.addresses import Mailbox, domain_of
from shared.texts.lines import one_line

MAX_LINE = 76
"""Characters of a header line, as RFC 2047 §2 requires."""

_PLAIN_KEY = pattern(r"[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The sender of a message. ``reply_to`` None: replies go to ``mailbox``."""

    mailbox: Mailbox
    name: str
    reply_to: Mailbox | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The same content twice, in quoted-printable: mail clients show the HTML, or else the text."""

    text: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A message ready to send: envelope and content."""

    sender: Mailbox
    recipient: Mailbox
    content: bytes


def message_id(key: str, sender: Mailbox) -> str:
    """The Message-ID for ``key``, the same on every attempt, so that a duplicate can be recognised."""
    return f"<{key if is_plain(key) else sha256(key.encode()).hexdigest()}@{domain_of(sender)}>"


def write_email(
    *,
    identity: str,
    sender: Sender,
    to: Mailbox,
    to_name: str,
    subject: str,
    date: datetime,
    language: str,
    headers: Mapping[str, str],
    body: Body,
) -> Email:
    """The message; ``identity`` is its Message-ID, ``to_name`` may be empty, ``date`` has any zone.

    ``headers`` are further ones, as written.

    Built by hand, because the standard library takes five times as long. No name or subject can inject a header: each
    is one line, or encoded and folded here. A value in ``headers`` must be ASCII: a URL without blanks, or the result
    of ``header_text``.
    """
    boundary = f"part-{sha256(identity.encode()).hexdigest()[:32]}"
    every = {
        "From": _mailbox_header("From", sender.name, sender.mailbox),
        "To": _mailbox_header("To", to_name, to),
        "Subject": header_text("Subject", subject),
        "Date": format_datetime(date),
        "Message-ID": identity,
        **headers,
        # RFC 3834: auto-responders should not reply.
        "Auto-Submitted": "auto-generated",
        "Content-Language": language,
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    if sender.reply_to:
        every["Reply-To"] = sender.reply_to
    head = "".join(f"{name}: {value}\r\n" for name, value in every.items())
    parts = (
        f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: quoted-printable\r\n\r\n{text}\r\n"
        for kind, text in (("plain", body.text), ("html", body.html))
    )
    content = f"{head}\r\n{''.join(parts)}--{boundary}--\r\n"
    return Email(sender=sender.mailbox, recipient=to, content=content.encode("ascii"))


def is_plain(key: str) -> bool:
    """Whether ``key`` can be used in a header's identifier unescaped: ASCII letters, digits, dot, dash, underscore."""
    return _PLAIN_KEY.fullmatch(key) is not None


def header_text(name: str, text: str) -> str:
    """The value of header ``name`` (RFC 2047): encoded and folded where ``text`` is not ASCII, exceeds a line, or would
    itself be taken for encoded and shown as what it hides."""
    line = one_line(text)
    if _is_plain_text(name, line):
        return line
    return Header(line, "utf-8", header_name=name, maxlinelen=MAX_LINE).encode(linesep="\r\n")


def _is_plain_text(name: str, line: str) -> bool:
    return line.isascii() and "=?" not in line and len(name) + len(line) < MAX_LINE


def _mailbox_header(name: str, display_name: str, mailbox: Mailbox) -> str:
    shown = one_line(display_name)
    if not shown:
        return mailbox
    if _is_plain_text(name, shown):
        return formataddr((shown, mailbox))
    return f"{header_text(name, shown)}\r\n <{mailbox}>"
