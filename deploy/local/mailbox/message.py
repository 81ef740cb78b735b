"""Parses an email: its envelope, its parts, and its links."""

import email
import email.policy
import html
import re
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message

_HREF = re.compile(r"""<a\b[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_URL = re.compile(r"""https?://[^\s<>"']+""")
SHOWN_HEADERS = ("Date", "From", "To", "Reply-To", "Subject", "Message-ID", "List-Unsubscribe",
                 "List-Unsubscribe-Post", "Auto-Submitted")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """`message_id` is without angle brackets; header values are decoded text."""

    message_id: str
    sender: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """`html` and `text` are empty if the email has no such part; `links` are in order, without duplicates."""

    html: str
    text: str
    links: tuple[str, ...]
    headers: dict[str, str]


def envelope_of(raw: bytes) -> Envelope:
    headers = email.message_from_bytes(raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    return Envelope(
        message_id=_header(headers, "Message-ID").strip("<> "),
        sender=_header(headers, "From"),
        subject=_header(headers, "Subject"),
    )


def content_of(raw: bytes) -> Content:
    message = email.message_from_bytes(raw)
    parts = {"text/html": "", "text/plain": ""}
    for part in message.walk():
        kind = part.get_content_type()
        if kind in parts and not parts[kind]:
            parts[kind] = _text(part)
    markup, text = parts["text/html"], parts["text/plain"]
    links = [html.unescape(first or second) for first, second in _HREF.findall(markup)] or _URL.findall(text)
    return Content(
        html=markup,
        text=text,
        links=tuple(dict.fromkeys(links)),
        headers={name: value for name in SHOWN_HEADERS if (value := _header(message, name))},
    )


def _header(message: Message, name: str) -> str:
    value = str(message.get(name, ""))
    unfolded = " ".join(value.split())
    if "=?" not in unfolded:
        return _storable(unfolded)
    try:
        return _storable(str(make_header(decode_header(unfolded))))
    except (ValueError, LookupError, MessageError):
        # Encoded in a way that no program can read: shown as it came.
        return _storable(unfolded)


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset() or "utf-8", errors="replace")
    except (LookupError, ValueError):
        return payload.decode("utf-8", errors="replace")


def _storable(text: str) -> str:
    """Bytes that are not UTF-8 arrive as lone surrogates, which neither SQLite nor JSON can hold."""
    return text.encode("utf-8", "replace").decode()
